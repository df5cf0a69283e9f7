import { Decimal128, Double, Long, type Document } from 'mongodb';
import { conditionsForElement, isPlain, type Known, likely, path } from './filters.ts';
import type { Random } from './random.ts';
import { array, id, scalar, value } from './values.ts';

export interface RandomUpdate {
  update: Document;
  arrayFilters?: Document[];
}

const operators = [
  [8, '$set'],
  [4, '$unset'],
  [4, '$inc'],
  [2, '$mul'],
  [2, '$min'],
  [2, '$max'],
  [1, '$currentDate'],
  [4, '$addToSet'],
  [2, '$pop'],
  [4, '$pull'],
  [2, '$pullAll'],
  [6, '$push'],
  [2, '$bit'],
  [3, '$rename'],
  [2, '$setOnInsert'],
] as const;

type Operator = (typeof operators)[number][1];

/** An update with operators whose paths mostly lead to values that the operators want. */
export function update(known: Known): RandomUpdate {
  const { random } = known;
  const made: Document = {};
  const identifiers = new Set<string>();
  const count = random.weighted([
    [6, 1],
    [3, 2],
    [1, 3],
  ] as const);
  for (let index = 0; index < count; index += 1) {
    const name = random.weighted(operators);
    const fields = random.list(
      random.weighted([
        [7, 1],
        [2, 2],
        [0.3, 0],
      ] as const),
      () => {
        const at = updatePath(known, name, identifiers);
        return [at, argument(known, name, at)] as const;
      },
    );
    made[name] = Object.fromEntries(fields);
  }
  if (random.chance(0.01)) made['$set'] = { _id: id(random) };
  if (random.chance(0.003)) made[random.pick(['$foo', '$pushAll'])] = { a: 1 };
  return { update: made, ...withFilters(known, identifiers) };
}

function withFilters(known: Known, identifiers: ReadonlySet<string>): { arrayFilters?: Document[] } {
  const wanted = [...identifiers];
  if (known.random.chance(0.02)) wanted.push('unused');
  if (wanted.length > 0 && known.random.chance(0.02)) wanted.pop();
  return wanted.length === 0 ? {} : { arrayFilters: wanted.map((identifier) => elementFilter(known, identifier)) };
}

function elementFilter(known: Known, identifier: string): Document {
  const { random } = known;
  const whole = random.chance(0.5);
  const at = whole ? identifier : `${identifier}.${random.pick(['a', 'b', 'c'])}`;
  if (random.chance(0.5)) return { [at]: conditionsForElement(known) };
  return { [at]: whole ? scalar(random) : likely(known, 'a') };
}

const arrayOperators: ReadonlySet<Operator> = new Set(['$addToSet', '$pop', '$pull', '$pullAll', '$push'] as const);
const numberOperators: ReadonlySet<Operator> = new Set(['$inc', '$mul', '$bit'] as const);

function updatePath(known: Known, name: Operator, identifiers: Set<string>): string {
  const { random } = known;
  const fitting = random.chance(0.75) ? pathTo(known, (found) => fits(name, found)) : undefined;
  const plain = fitting ?? path(known);
  const dynamic = name === '$rename' ? 0.02 : 0.3;
  const parts = plain.split('.').map((part) => {
    if (!/^\d+$/.test(part) || !random.chance(dynamic)) return part;
    const choice = random.pick(['$', '$[]', '$[x]', '$[y]']);
    if (choice.length === 4) identifiers.add(choice.slice(2, 3));
    return choice;
  });
  if (random.chance(0.03)) parts.push(random.pick(['$', '$[]', '0', '5']));
  if (random.chance(0.004)) parts.push('');
  return parts.join('.');
}

function fits(name: Operator, found: unknown): boolean {
  if (arrayOperators.has(name)) return Array.isArray(found);
  return numberOperators.has(name) ? isNumeric(found) : true;
}

function isNumeric(found: unknown): boolean {
  return typeof found === 'number' || found instanceof Long || found instanceof Double || found instanceof Decimal128;
}

/** A random path of one document to a value of the wanted kind, with places of elements. */
function pathTo({ random, documents }: Known, wanted: (found: unknown) => boolean): string | undefined {
  if (documents.length === 0) return undefined;
  const found: string[] = [];
  const visit = (current: unknown, at: string): void => {
    if (at !== '' && wanted(current)) found.push(at);
    if (Array.isArray(current)) current.forEach((element, index) => visit(element, `${at}.${index}`));
    else if (isPlain(current)) {
      for (const [name, inner] of Object.entries(current)) if (name !== '_id') visit(inner, at === '' ? name : `${at}.${name}`);
    }
  };
  visit(random.pick(documents), '');
  return found.length === 0 ? undefined : random.pick(found);
}

function argument(known: Known, name: Operator, at: string): unknown {
  const { random } = known;
  if (random.chance(0.02)) return value(random, 1);
  switch (name) {
    case '$inc':
    case '$mul':
      return number(random);
    case '$currentDate':
      return random.pick<unknown>([true, false, { $type: 'date' }, { $type: 'timestamp' }, { $type: 'other' }]);
    case '$addToSet':
      return random.chance(0.4) ? { $each: random.list(random.below(4), () => likely(known, at)) } : likely(known, at);
    case '$pop':
      return random.pick<unknown>([1, -1, 1, -1, 0, new Double(1), 'a']);
    case '$pull':
      return random.chance(0.5)
        ? likely(known, at)
        : random.chance(0.6)
          ? conditionsForElement(known)
          : { [random.pick(['a', 'b', 'a.b'])]: likely(known, 'a') };
    case '$pullAll':
      return random.chance(0.95) ? random.list(random.below(3), () => likely(known, at)) : scalar(random);
    case '$push':
      return random.chance(0.35) ? likely(known, at) : clauses(known, at);
    case '$bit':
      return Object.fromEntries(
        random.list(random.chance(0.9) ? 1 : random.below(3), () => [
          random.pick(['and', 'or', 'xor']),
          random.pick<unknown>([1, 5, -2, Long.fromNumber(6), 2]),
        ]),
      );
    case '$rename':
      return random.chance(0.97) ? path(known, 2) : scalar(random);
    default:
      return likely(known, at);
  }
}

function number(random: Random): unknown {
  return random.pick<unknown>([
    1,
    2,
    -1,
    0,
    0.5,
    new Double(2),
    Long.fromNumber(3),
    2147483647,
    Long.MAX_VALUE,
    Decimal128.fromString('0.10'),
    Decimal128.fromString('3E+10'),
    -1.25,
  ]);
}

function clauses(known: Known, at: string): Document {
  const { random } = known;
  const made: Document = { $each: random.chance(0.98) ? random.list(random.below(4), () => likely(known, at)) : scalar(random) };
  if (random.chance(0.4)) made['$slice'] = random.pick<unknown>([0, 1, 2, 3, -1, -2, -3, new Double(2), 1.5]);
  if (random.chance(0.4)) made['$position'] = random.pick<unknown>([0, 1, 2, -1, -2, 10, Long.fromNumber(1)]);
  if (random.chance(0.4))
    made['$sort'] = random.pick<unknown>([1, -1, { a: 1 }, { a: -1, b: 1 }, { 'a.b': 1 }, { 'a.0': -1 }, 2, {}]);
  // Whether sorting an empty array counts as a modification depends on a mongod's indexes.
  if ('$sort' in made && Array.isArray(made['$each'])) made['$each'] = [...(made['$each'] as unknown[]), scalar(random)];
  if (random.chance(0.01)) made['$other'] = 1;
  return made;
}

/** A document to put in another one's place. */
export function replacement(known: Known): Document {
  const { random } = known;
  const made: Document = Object.fromEntries(
    random.list(random.below(4), () => [random.pick(['a', 'b', 'c', 'd']), random.chance(0.3) ? array(random) : value(random)]),
  );
  if (random.chance(0.15)) return { ...made, _id: id(random) };
  return random.chance(0.2) && known.documents.length > 0 ? random.pick(known.documents) : made;
}
