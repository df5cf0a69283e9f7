import { RegistryError } from '@rollcall/client/contract';

/** One entity tag of a conditional header (RFC 9110, section 8.8.3). */
interface EntityTag {
  readonly value: string;
  readonly isWeak: boolean;
}

/** A revision without quotes is taken as a strong tag. */
const tag = String.raw`(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"|(\d{1,15}))`;
const list = new RegExp(String.raw`^[ \t,]*${tag}(?:[ \t]*,[ \t,]*${tag})*[ \t,]*$`);
const each = new RegExp(tag, 'g');

/** Reads the value of `If-Match` or `If-None-Match`; `*` stands for any. Fails with `invalid-input`. */
const readTags = (name: string, text: string): '*' | readonly EntityTag[] => {
  if (text.trim() === '*') return '*';
  if (text.length > 4096 || !list.test(text)) {
    throw new RegistryError('invalid-input', `${name} must be * or a list of entity tags`, {
      details: [{ path: `/${name}`, rule: 'pattern', message: 'must be * or a list of entity tags' }],
    });
  }
  return [...text.matchAll(each)].map(([, weak, quoted, digits]) => ({
    value: quoted ?? digits ?? '',
    isWeak: weak !== undefined,
  }));
};

/** The strong entity tag of a visible revision. */
export const entityTagOf = (rev: number): string => `"${rev}"`;

/** Does `If-None-Match` name this revision (weak comparison)? */
export const namesRevision = (ifNoneMatch: string, rev: number): boolean => {
  const tags = readTags('if-none-match', ifNoneMatch);
  return tags === '*' || tags.some(({ value }) => value === String(rev));
};

/**
 * What `If-Match` and `If-None-Match` say of the revision that a request changes; undefined without them (RFC 9110, sections 13.1.1 and 13.1.2).
 *
 * Fails with `invalid-input` for what is no list of entity tags.
 */
export const preconditionOf = (
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): ((rev: number) => boolean) | undefined => {
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  const wanted = ifMatch === undefined ? '*' : readTags('if-match', ifMatch);
  if (ifNoneMatch !== undefined) readTags('if-none-match', ifNoneMatch);
  return (rev) =>
    (wanted === '*' || wanted.some(({ value, isWeak }) => !isWeak && value === String(rev))) &&
    (ifNoneMatch === undefined || !namesRevision(ifNoneMatch, rev));
};
