import type { ErrorDetail, PasswordPolicy } from '@rollcall/client/contract';

/** Classes of characters by their Unicode categories (AC-5.6). */
const classes = {
  lower: { pattern: /\p{Ll}/gu, name: 'lower-case letters' },
  upper: { pattern: /\p{Lu}/gu, name: 'upper-case letters' },
  numeric: { pattern: /\p{N}/gu, name: 'digits' },
  symbol: { pattern: /[\p{P}\p{S}]/gu, name: 'symbols' },
} as const;

type Class = keyof typeof classes;

const classNames = Object.keys(classes) as readonly Class[];

/** No password is longer. */
export const longestPassword = 1024;

/** Five characters of any kind. */
export const defaultPasswordPolicy: PasswordPolicy = { min: 5, lower: 0, upper: 0, numeric: 0, symbol: 0 };

/**
 * Reads a policy from its written form, a missing member being 0; undefined if it is not a policy,
 * or one that no password can meet.
 */
export const readPasswordPolicy = (given: unknown): PasswordPolicy | undefined => {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
  const policy = { min: 0, lower: 0, upper: 0, numeric: 0, symbol: 0 };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(policy, name) || !Number.isSafeInteger(value) || (value as number) < 0) return undefined;
    policy[name as keyof typeof policy] = value as number;
  }
  const needed = Math.max(policy.min, policy.lower + policy.upper + policy.numeric + policy.symbol);
  return needed <= longestPassword ? policy : undefined;
};

const problem = (path: string, rule: string, message: string): ErrorDetail => ({ path, rule, message });

/** What is wrong with a new password. An empty one is none under any policy. */
export const passwordProblems = (policy: PasswordPolicy, password: string, path: string): readonly ErrorDetail[] => {
  const min = Math.max(1, policy.min);
  const short = Array.from(password).length < min ? [problem(path, 'minLength', `at least ${min} characters`)] : [];
  const long = password.length > longestPassword ? [problem(path, 'maxLength', `at most ${longestPassword} characters`)] : [];
  const lacking = classNames.flatMap((name) => {
    const least = policy[name];
    const has = least === 0 ? 0 : (password.match(classes[name].pattern)?.length ?? 0);
    return has < least ? [problem(path, name, `at least ${least} ${classes[name].name}`)] : [];
  });
  return [...short, ...long, ...lacking];
};

const alphabets: Readonly<Record<Class, string>> = {
  lower: 'abcdefghijkmnopqrstuvwxyz',
  upper: 'ABCDEFGHJKLMNPQRSTUVWXYZ',
  numeric: '23456789',
  symbol: '-_.!+=:',
};
const letters = alphabets.lower + alphabets.upper + alphabets.numeric;

/**
 * A password that meets the policy: 24 letters and digits (over 130 bits), more if the policy wants
 * more, and what it wants of each class. `random`: a whole number from 0 up to, but not, its
 * argument.
 */
export const makePassword = (policy: PasswordPolicy, random: (below: number) => number): string => {
  const pick = (alphabet: string): string => alphabet[random(alphabet.length)] ?? '';
  const wanted = classNames.flatMap((name) => Array.from({ length: policy[name] }, () => pick(alphabets[name])));
  const rest = Math.min(Math.max(24, policy.min - wanted.length), longestPassword - wanted.length);
  return [...Array.from({ length: rest }, () => pick(letters)), ...wanted].join('');
};
