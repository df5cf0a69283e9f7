import { createRequire } from 'node:module';
import { expect } from 'chai';
import { readPacket, Rejected } from '@rollcall/server/internal/transports/socketio/packet';
import { maxJsonDepth, scan, twice } from '@rollcall/server/internal/common/json/scan';
import fc from 'fast-check';

type Rule = 'maxDepth' | 'forbiddenKey' | 'number' | 'surrogate';

const forbidden = ['', '__proto__', 'constructor', 'prototype', 'toJSON', '_bsontype'];
const isLone = (text: string): boolean => /\p{Surrogate}/u.test(text);

/** Is there a whole number beyond 2^53 in it? */
const hasUnsafe = (value: unknown): boolean =>
  typeof value === 'number'
    ? Number.isInteger(value) && !Number.isSafeInteger(value)
    : typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafe);

/** The rules said once more, plainly: all that a parsed value breaks. */
const broken = (value: unknown, depth = 0): Set<Rule> => {
  const rules = new Set<Rule>();
  if (typeof value === 'number' && !Number.isFinite(value)) rules.add('number');
  if (typeof value === 'string' && isLone(value)) rules.add('surrogate');
  if (typeof value !== 'object' || value === null) return rules;
  if (depth + 1 > maxJsonDepth) rules.add('maxDepth');
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && (forbidden.includes(key) || key.includes('\0'))) rules.add('forbiddenKey');
    if (!Array.isArray(value) && isLone(key)) rules.add('surrogate');
    for (const rule of broken(inner, depth + 1)) rules.add(rule);
  }
  return rules;
};

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom('"', '\\', '\\\\"', '\ud83d', '\ude00', '\ud83d\ude00', '{', ':', '1e999') },
);
const key = fc.oneof(
  { weight: 12, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom(...forbidden, '__proto', 'toJSON ', '$set', 'a.b') },
);
const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.bigInt().map(String),
  fc.constantFrom(
    '-0',
    '1e400',
    '-1E+309',
    '1e-999',
    '9007199254740991',
    '9007199254740992',
    '0.1e17',
    '123456789012345678.5',
    '12345.678901234567890',
  ),
);

/** Writes a text as JSON with some characters escaped that need not be. */
const written = (content: string, escape: readonly boolean[]): string =>
  `"${[...Array(content.length).keys()]
    .map((at) => {
      const unit = content.charCodeAt(at);
      const must = unit < 0x20 || unit === 0x22 || unit === 0x5c;
      return must || escape[at % Math.max(1, escape.length)] ? `\\u${unit.toString(16).padStart(4, '0')}` : content.charAt(at);
    })
    .join('')}"`;

const literal = (content: fc.Arbitrary<string>) =>
  fc.tuple(content, fc.array(fc.boolean(), { maxLength: 3 })).map(([content, escape]) => written(content, escape));
const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r ');

/** JSON texts of all kinds, most of them within the rules, some deep. */
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false'),
    number,
    literal(text),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
      .map(([items, gap]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(literal(key), tie('value')), { maxLength: 4, selector: ([name]) => JSON.parse(name) as string }),
        space,
      )
      .map(([items, gap]) => `{${gap}${items.map(([name, value]) => `${name}${gap}:${gap}${value}`).join(',')}${gap}}`),
    fc
      .tuple(fc.integer({ min: 25, max: 36 }), tie('value'), fc.boolean())
      .map(([depth, value, isObject]) =>
        isObject ? '{"k":'.repeat(depth) + value + '}'.repeat(depth) : '['.repeat(depth) + value + ']'.repeat(depth),
      ),
  ),
})).value;

describe('the scan of a JSON text', () => {
  it('finds exactly what breaks a rule in the parsed value', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(json, (input) => {
        const value: unknown = JSON.parse(input);
        const rules = broken(value);
        const scanned = scan(input, maxJsonDepth);
        const rule = typeof scanned === 'number' ? 'none' : scanned.rule;
        seen.set(rule, (seen.get(rule) ?? 0) + 1);
        // Whether a whole number beyond 2^53 was given back depends on how it was written; see the next rule.
        if (rule === 'number' && hasUnsafe(value)) return true;
        if (typeof scanned !== 'number') expect([...rules]).to.include(rule);
        else expect([rules.size, twice(scanned, value)]).to.deep.equal([0, null]);
        return true;
      }),
      { numRuns: 3000 },
    );
    expect([...seen.keys()]).to.include.members(['none', 'maxDepth', 'forbiddenKey', 'number', 'surrogate']);
  });

  it('takes a whole number if and only if the double gives back the same digits (W5)', () => {
    const whole = fc.oneof(
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
      fc.double({ min: 2 ** 53, max: 1e40, noNaN: true }).map((value) => BigInt(Math.trunc(value))),
      fc.tuple(fc.bigInt({ min: 1n, max: 99_999n }), fc.nat(35)).map(([digits, zeros]) => digits * 10n ** BigInt(zeros)),
    );
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(whole, (value) => {
        const written = Number(value).toString();
        const [mantissa = '', exponent = '0'] = written.split('e');
        const [integer = '', fraction = ''] = mantissa.split('.');
        const shortest = BigInt(integer + fraction) * 10n ** BigInt(Number(exponent) - fraction.length);
        const isTaken = typeof scan(`[${value}]`, maxJsonDepth) === 'number';
        seen.add(isTaken);
        expect(isTaken, String(value)).to.equal(shortest === value);
      }),
      { numRuns: 2000 },
    );
    expect(seen.size).to.equal(2);
  });

  it('counts the keys, so that one that an object has twice is found', () => {
    const repeated = fc.tuple(json, literal(text), fc.array(literal(text), { maxLength: 3 }), space);
    fc.assert(
      fc.property(repeated, ([value, name, others, gap]) => {
        const entries = [name, ...others, name].map((one) => `${one}${gap}:${value}`);
        const scanned = scan(`[1,{${entries.join(',')}}]`, maxJsonDepth);
        if (typeof scanned !== 'number') return;
        expect(twice(scanned, JSON.parse(`[1,{${entries.join(',')}}]`))).to.include({ rule: 'duplicateKey' });
      }),
    );
  });

  it('points at what it found', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.nat(5),
            fc
              .string({ unit: 'grapheme', minLength: 1, maxLength: 9 })
              .filter((name) => !forbidden.includes(name) && !name.includes('\0')),
          ),
          { maxLength: 20 },
        ),
        (steps) => {
          const input = steps.reduceRight<string>(
            (inner, step) =>
              typeof step === 'number'
                ? `[${'{"[,":"]{"}, '.repeat(step)}${inner}]`
                : `{"x":[1,"}"], ${JSON.stringify(step)} : ${inner}}`,
            '1e999',
          );
          const expected = steps.map(
            (step) => `/${String(step).length > 64 ? '…' : String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`,
          );
          expect(scan(input, maxJsonDepth)).to.deep.include({ rule: 'number', steps: expected });
        },
      ),
    );
  });

  it('takes any text at all, and time in proportion to its length', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('"', '\\', '{', '[', '}', ']', ':', ',', ' ', 'a', 'e', '1', '-', '.', '\ud800', 'ü'),
        }),
        (input) => void scan(input, maxJsonDepth),
      ),
    );
    for (const unit of ['"', '\\', '\\"', '"\\', '"a":', '{"', '1', '1e', '"\\ud800', '}', '" ']) {
      const start = performance.now();
      scan(unit.repeat(131_072 / unit.length), maxJsonDepth);
      expect(performance.now() - start, unit).to.be.below(1000);
    }
  });
});

interface StockDecoder {
  on(event: 'decoded', listener: (packet: unknown) => void): void;
  add(data: string): void;
}
const fromSocketIo = createRequire(createRequire(import.meta.url).resolve('socket.io'));
const { Decoder } = fromSocketIo('socket.io-parser') as { Decoder: new () => StockDecoder };

/** What Socket.IO's own decoder makes of a packet; undefined if it throws. */
const stock = (data: string): unknown => {
  let decoded: unknown;
  const decoder = new Decoder();
  decoder.on('decoded', (packet) => (decoded = packet));
  try {
    decoder.add(data);
  } catch {
    return undefined;
  }
  return decoded;
};

const read = (data: string): unknown => {
  try {
    return readPacket(data);
  } catch {
    return undefined;
  }
};

describe('a packet', () => {
  const plain = fc.jsonValue({ maxDepth: 3 }).filter((value) => broken(value).size === 0);

  it('within the rules is read as Socket.IO reads it', () => {
    const packet = fc
      .tuple(
        fc.constantFrom('2', '3'),
        fc.constantFrom('', '/,'),
        fc.oneof(fc.constant(''), fc.nat().map(String)),
        fc.string({ minLength: 1 }),
        fc.array(plain, { maxLength: 3 }),
      )
      .filter(([type, , id, name]) => (type === '2' || id !== '') && !broken(name).size)
      .map(([type, namespace, id, name, values]) => type + namespace + id + JSON.stringify([name, ...values]));
    fc.assert(fc.property(packet, (data) => void expect(read(data)).to.deep.equal(stock(data))));
  });

  it('that Socket.IO would not take is not taken either', () => {
    const near = fc.string({ unit: fc.constantFrom(...Array.from('0123456789/,-[]{}":a.e \\')), maxLength: 12 });
    fc.assert(
      fc.property(near, (data) => {
        const packet = read(data) as { data?: unknown[] } | undefined;
        if (packet !== undefined && !(packet.data?.[1] instanceof Rejected)) expect(stock(data)).to.deep.include(packet);
      }),
      { numRuns: 3000 },
    );
  });
});
