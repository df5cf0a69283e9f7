import { createHash, createHmac } from 'node:crypto';
import { canonicalJson } from '../common/json/canonical.ts';
import { isPlainObject } from '../common/plain-object.ts';
import type { AuditDocument, AuditHead } from './documents/audit.ts';

/** What happened, before it has its place in a chain. */
export type Happening = Pick<AuditDocument, 'action' | 'outcome' | 'actor' | 'targets' | 'address' | 'details' | 'of'>;

/** Names of fields whose texts can hold no secret. Of all others only the name is written. */
const tellable = new Set([
  'action',
  'actor',
  'clientId',
  'context',
  'fingerprint',
  'groupName',
  'id',
  'identityProvider',
  'ids',
  'label',
  'method',
  'mqttPublishPrefix',
  'name',
  'operation',
  'permissionId',
  'resource',
  'roleId',
  'roles',
  'serialNumber',
  'tag',
  'target',
  'tokenId',
  'username',
  'uuid',
]);

const longestText = 256;
const longestList = 500;
const maxFields = 50;
const deepest = 4;

const told = (name: string, value: unknown, depth: number): unknown => {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value === 'string') return tellable.has(name) ? value.slice(0, longestText) : undefined;
  if (depth === 0) return undefined;
  if (Array.isArray(value)) {
    const items = value.slice(0, longestList).map((one) => told(name, one, depth - 1));
    return items.every((one) => one !== undefined) ? items : undefined;
  }
  if (!isPlainObject(value)) return undefined;
  const fields = toldFields(value, depth - 1);
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
};

const toldFields = (value: Readonly<Record<string, unknown>>, depth: number): readonly (readonly [string, unknown])[] =>
  Object.entries(value)
    .slice(0, maxFields)
    .map(([name, one]) => [name, told(name, one, depth)] as const)
    .filter(([name, one]) => one !== undefined && isPlainName(name));

/** A name that is no operator and no path of the store's language. */
const isPlainName = (name: string): boolean => name !== '' && name.length <= 64 && !/^\$|[.\0]/.test(name);

/**
 * What may be written of an input: the names of its fields, and the values that can hold no secret.
 */
export const detailsOf = (input: unknown): Record<string, unknown> => {
  if (!isPlainObject(input)) return {};
  const given = Object.keys(input).filter(isPlainName).slice(0, maxFields);
  return { ...(given.length > 0 && { given }), ...Object.fromEntries(toldFields(input, deepest)) };
};

/** The `_id` of an entry: in the order of the numbers as text too. */
export const auditId = (chain: string, number: number): string => `${chain}:${String(number).padStart(10, '0')}`;

/** SHA-256 of everything that an entry says, the hash of the one before included. */
const hashOf = ({ hash: _hash, seal: _seal, ...content }: AuditDocument): string =>
  createHash('sha256').update(canonicalJson(content)).digest('base64');

/**
 * Seals a hash with the registry's key: write access to the store alone is not enough to forge it.
 */
const sealOf = (key: Buffer, chain: string, number: number, hash: string): string =>
  createHmac('sha256', key)
    .update(`${auditId(chain, number)} ${hash}`)
    .digest('base64');

/** An entry in its place: after the one with the hash `previous`. */
export const entryOf = (
  happening: Happening,
  place: Pick<AuditDocument, 'chain' | 'number' | 'previous' | 'at' | 'joins'>,
  key: Buffer,
): AuditDocument => {
  const { chain, number } = place;
  const { joins, ...rest } = place;
  const { of, ...what } = happening;
  const open: AuditDocument = {
    _id: auditId(chain, number),
    ...rest,
    ...what,
    ...(of !== undefined && { of }),
    ...(joins !== undefined && { joins }),
    hash: '',
    seal: '',
  };
  const hash = hashOf(open);
  return { ...open, hash, seal: sealOf(key, chain, number, hash) };
};

/** The end of a chain as it is kept beside it: entries cannot be cut off without a trace. */
export const headOf = ({ chain, number, hash }: AuditDocument, key: Buffer): AuditHead => ({
  _id: chain,
  number,
  hash,
  seal: sealOf(key, `head of ${chain}`, number, hash),
});

/** What is wrong, and where. */
export interface AuditProblem {
  readonly kind: 'changed' | 'removed' | 'reordered' | 'forged';
  readonly chain: string;
  readonly number: number;
  readonly message: string;
}

/** Examines entries one by one, in the order of their ids, then what names them. */
export interface AuditCheck {
  /** What is wrong with the next entry. */
  next(entry: AuditDocument): readonly AuditProblem[];
  /** The ids of the entries that chains begin after. */
  readonly joined: readonly string[];
  /**
   * What is wrong with the whole, when all entries were shown. `heads`: the ends as they are kept
   * beside the chains; `joined`: the entries that chains begin after, as far as they are there.
   */
  end(heads: readonly AuditHead[], joined: readonly AuditDocument[]): readonly AuditProblem[];
}

interface Seen {
  readonly number: number;
  readonly hash: string;
  readonly isSound: boolean;
}

/** What is wrong with an entry by itself. */
const problemsWithin = (entry: AuditDocument, chain: string, number: number, key: Buffer): readonly AuditProblem[] => {
  const wrong = (kind: AuditProblem['kind'], message: string) => [{ kind, chain, number, message }];
  if (entry._id !== auditId(entry.chain, entry.number))
    return wrong('reordered', `the entry in this place says that it is ${auditId(entry.chain, entry.number)}`);
  if (hashOf(entry) !== entry.hash) return wrong('changed', 'the entry is not what its hash was made of');
  return sealOf(key, chain, number, entry.hash) === entry.seal ? [] : wrong('forged', 'its seal was not made by this registry');
};

/** Begins an examination. `key`: that of the seals. */
export const auditCheck = (key: Buffer): AuditCheck => {
  const last = new Map<string, Seen>();
  const joins: { readonly by: string; readonly chain: string; readonly number: number; readonly hash: string }[] = [];

  return {
    next(entry) {
      const [chain = '', digits = ''] = entry._id.split(':');
      const number = Number(digits);
      const before = last.get(chain) ?? { number: 0, hash: '', isSound: true };
      const within = problemsWithin(entry, chain, number, key);
      const due = before.number + 1;
      const missing =
        number > due ? `${due === number - 1 ? `entry ${due} is` : `entries ${due} to ${number - 1} are`} missing` : '';
      const isLinked = missing !== '' || !before.isSound || within.length > 0 || entry.previous === before.hash;
      last.set(chain, { number, hash: entry.hash, isSound: within.length === 0 });
      if (entry.joins !== undefined) joins.push({ by: chain, ...entry.joins });
      return [
        ...(missing === '' ? [] : [{ kind: 'removed' as const, chain, number: due, message: missing }]),
        ...within,
        ...(isLinked
          ? []
          : [{ kind: 'reordered' as const, chain, number, message: 'the entry before it is not the one that it names' }]),
      ];
    },

    get joined() {
      return joins.map(({ chain, number }) => auditId(chain, number));
    },

    end(heads, joined) {
      const hashes = new Map(joined.map(({ _id, hash }) => [_id, hash] as const));
      const torn = joins.flatMap(({ by, chain, number, hash }): readonly AuditProblem[] => {
        const found = hashes.get(auditId(chain, number));
        const message = `it is not the entry that chain ${by} begins after`;
        return found === hash ? [] : [{ kind: found === undefined ? 'removed' : 'changed', chain, number, message }];
      });
      const short = heads.flatMap(({ _id: chain, number, hash, seal }): readonly AuditProblem[] => {
        const isOurs = sealOf(key, `head of ${chain}`, number, hash) === seal;
        if (!isOurs)
          return [
            { kind: 'forged', chain, number, message: 'the end that is kept beside the chain was not written by this registry' },
          ];
        const end = last.get(chain)?.number ?? 0;
        return end >= number
          ? []
          : [{ kind: 'removed', chain, number: end + 1, message: `the chain went on to entry ${number}` }];
      });
      return [...torn, ...short];
    },
  };
};
