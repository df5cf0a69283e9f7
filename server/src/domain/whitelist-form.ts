import { RegistryError, whitelistNames } from '@rollcall/client/contract';
import { equalValues } from '../mql/index.ts';
import { isPlainObject } from '../common/plain-object.ts';

type Properties = Readonly<Record<string, unknown>>;

const versionOneNames = ['discover', 'configure', 'send', 'receive'].flatMap((name) => [
  `${name}Whitelist`,
  `${name}AsWhitelist`,
]);

const refuse = (path: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule: 'type', message }] });
};

/**
 * Whether a list equals the one before. A list that was null counts as present, one that was
 * missing does not.
 */
const isAsBefore = (list: unknown, before: unknown): boolean => before !== undefined && equalValues(list, before);

const isText = (value: unknown): boolean => typeof value === 'string';
const isList = (value: unknown): boolean => isText(value) || (Array.isArray(value) && value.every(isText));

const checkVersionTwo = (whitelists: unknown): void => {
  const path = '/meshblu/whitelists';
  if (!isPlainObject(whitelists)) return refuse(path, 'must be an object');
  for (const list of whitelistNames) {
    const [group = '', name = ''] = list.split('.');
    const lists = whitelists[group];
    if (lists === undefined) continue;
    if (!isPlainObject(lists)) return refuse(`${path}/${group}`, 'must be an object');
    const entries = lists[name];
    if (entries === undefined) continue;
    if (!Array.isArray(entries) || !entries.every((entry: unknown) => isPlainObject(entry) && isText(entry['uuid'])))
      return refuse(`${path}/${group}/${name}`, 'must be a list of objects with a uuid');
  }
};

/**
 * Refuses whitelists that are null or of a wrong type: an unreadable list would be open to all, or
 * to none (MS-4).
 *
 * A list that is as it was in `before` is left alone: old databases have lists of other forms.
 * Fails with `invalid-input`.
 */
export const checkWhitelists = (after: Properties, before: Properties = {}): void => {
  for (const name of versionOneNames) {
    const list = after[name];
    if (list === undefined || isList(list) || isAsBefore(list, before[name])) continue;
    refuse(`/${name}`, 'must be a list of uuids');
  }
  const whitelistsOf = ({ meshblu }: Properties): unknown => (isPlainObject(meshblu) ? meshblu['whitelists'] : undefined);
  const whitelists = whitelistsOf(after);
  if (whitelists !== undefined && !isAsBefore(whitelists, whitelistsOf(before))) checkVersionTwo(whitelists);
};
