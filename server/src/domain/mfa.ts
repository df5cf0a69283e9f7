import { RegistryError } from '@rollcall/client/contract';
import type { PrincipalDocument } from './documents/principal.ts';

/**
 * What a login still needs after the password: a code of the second factor, or enrolment; null:
 * nothing.
 */
export type MissingFactor = 'code' | 'enrolment' | null;

/** A code of the second factor, as it was shown. */
export type Code = { readonly otp: string } | { readonly backupCode: string };

/** How many wrong codes there may be, and for how long then none is looked at, in milliseconds. */
export interface CodeRules {
  readonly most: number;
  readonly banMs: number;
}

/** Whether the principal has a second factor. */
export const isEnrolled = ({ mfa }: Pick<PrincipalDocument, 'mfa'>): boolean => mfa?.state === 'on';

/**
 * What a login needs beside the password. `canEnrol`: whether enrolment is switched on. Where it is
 * off, enrolment is not required, but an existing second factor stays in force.
 */
export const missingFactor = (principal: Pick<PrincipalDocument, 'mfa' | 'enforceMfa'>, canEnrol: boolean): MissingFactor => {
  if (isEnrolled(principal)) return 'code';
  return canEnrol && principal.enforceMfa === true ? 'enrolment' : null;
};

/** The codes tried that still count; the time of a ban forgets them. */
const triedLately = ({ codesTried }: PrincipalDocument, { banMs }: CodeRules, now: number): { count: number; leftMs: number } => {
  const leftMs = codesTried === undefined ? 0 : codesTried.at.getTime() + banMs - now;
  return codesTried === undefined || leftMs <= 0 ? { count: 0, leftMs: 0 } : { count: codesTried.count, leftMs };
};

/** Fails with `banned`, and for how many seconds, if there were too many wrong codes. */
export const refuseBanned = (principal: PrincipalDocument, rules: CodeRules, now: number): void => {
  const { count, leftMs } = triedLately(principal, rules, now);
  if (count < rules.most) return;
  const seconds = String(Math.ceil(leftMs / 1000));
  throw new RegistryError('banned', undefined, { details: [{ path: '', rule: 'retryAfter', message: seconds }] });
};

/**
 * The principal with one more code tried: counted before the code is looked at, so that no more are
 * tried at once than may be. A right code forgets them (`withRightCode`). Fails with `banned` if
 * there were too many.
 */
export const withCodeTried = (before: PrincipalDocument, rules: CodeRules, now: number): PrincipalDocument => {
  refuseBanned(before, rules, now);
  return { ...before, codesTried: { count: triedLately(before, rules, now).count + 1, at: new Date(now) } };
};

/** The principal after a right code. */
export const withRightCode = (principal: PrincipalDocument): PrincipalDocument => {
  const { codesTried: _tried, ...rest } = principal;
  return rest as PrincipalDocument;
};

/** The principal without a second factor. */
export const withoutMfa = (principal: PrincipalDocument): PrincipalDocument => {
  const { mfa: _mfa, codesTried: _tried, ...rest } = principal;
  return rest as PrincipalDocument;
};
