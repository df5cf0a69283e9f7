import { randomInt } from 'node:crypto';
import { tokenHash } from '../tokens/device-tokens.ts';

/** How many there are at a time. */
const count = 10;
/** No characters that people take for one another. */
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
const groups = 4;
const groupLength = 4;

/**
 * New backup codes, all different: 16 characters in groups of four. People write them down and type them, so they are shorter than other
 * secrets: 79 random bits, under the keyed hash, and few tries.
 */
export const newBackupCodes = (): string[] => {
  const codes = new Set<string>();
  const group = (): string => Array.from({ length: groupLength }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
  while (codes.size < count) codes.add(Array.from({ length: groups }, group).join('-'));
  return [...codes];
};

/** What is stored of a code: the fast keyed hash (ME-5). Case, blanks and hyphens do not count. */
export const backupCodeHash = (code: string, uuid: string, pepper: string): string =>
  tokenHash(code.toLowerCase().replaceAll(/[\s-]/g, ''), uuid, pepper);
