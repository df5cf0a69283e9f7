import * as json from './text.ts';
import { pointer } from './pointer.ts';

/** Arrays and objects inside one another in one argument, the argument itself included. */
export const maxJsonDepth = 32;

/**
 * Names that change what an object is for JavaScript, for JSON.stringify or for the MongoDB driver.
 */
const forbidden: ReadonlySet<string> = new Set(['', '__proto__', 'constructor', 'prototype', 'toJSON', '_bsontype']);
/** A bit for each length that a forbidden name has: the quickest way to let the others pass. */
const forbiddenLengths = [...forbidden].reduce((bits, { length }) => bits | (1 << length), 0);

/** The first thing in a JSON text that the rules refuse. */
export interface Finding {
  readonly rule: 'maxDepth' | 'forbiddenKey' | 'number' | 'surrogate' | 'duplicateKey';
  readonly message: string;
  /** Steps of a JSON Pointer from the root of the text, each with its slash. */
  readonly steps: readonly string[];
}

const messages = {
  maxDepth: `Nested deeper than ${maxJsonDepth} levels`,
  forbiddenKey: 'This key is not allowed',
  number: 'Not a finite number, or a whole number that a double cannot give back exactly',
  surrogate: 'Contains half of a surrogate pair',
  duplicateKey: 'An object has the same key twice',
} as const;

const escapedSurrogate = /\\u[dD][89a-fA-F]/;

/** An unescaped key in valid JSON holds no NUL, so only escaped ones are looked into. */
const isForbidden = (text: string, start: number, end: number, escaped: boolean): boolean => {
  const length = end - start - 1;
  if (!escaped) return length < 32 && (forbiddenLengths & (1 << length)) !== 0 && forbidden.has(text.slice(start + 1, end));
  const key = json.meaning(text, start, end);
  return forbidden.has(key) || key.includes('\0');
};

const isBadNumber = (literal: string): boolean => {
  const value = Number(literal);
  if (Math.abs(value) === Infinity) return true;
  return Number.isInteger(value) && !Number.isSafeInteger(value) && decimal(literal) !== decimal(String(value));
};

/**
 * A decimal literal in one form for each value: its digits without zeros at either end, and the
 * power of ten.
 */
const decimal = (literal: string): string => {
  const [, whole = '', fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return `${digits.slice(0, end)}e${Number(power) - fraction.length + digits.length - end}`;
};

/**
 * Room for the characters of an ordinary packet. Reading an array of numbers is several times
 * faster than reading a string that is part of another.
 */
const ordinary = new Uint16Array(131_072 + 2);

/** The text's characters, followed by two quotes, so that every string ends. */
const toUnits = (text: string): Uint16Array => {
  const { length } = text;
  const units = length + 2 > ordinary.length ? new Uint16Array(length + 2) : ordinary;
  Buffer.from(units.buffer).write(text, 0, 'utf16le');
  units[length] = units[length + 1] = json.quote;
  return units;
};

const endOfPlain = (text: string, start: number): number => {
  const end = text.indexOf('"', start + 1);
  return end < 0 ? text.length : end;
};

const found = (rule: Finding['rule'], text: string, at: number): Finding => ({
  rule,
  message: messages[rule],
  steps: pointer(text, at),
});

/** The keys in what was made of a text, in which a key counts once. No forbidden key is in it. */
const keysOf = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const one of value as readonly unknown[]) if (typeof one === 'object') count += keysOf(one);
    return count;
  }
  for (const key in value) {
    const one = (value as Readonly<Record<string, unknown>>)[key];
    count += typeof one === 'object' ? 1 + keysOf(one) : 1;
  }
  return count;
};

/**
 * The finding for a text in which an object has a duplicate key: another reader of the text may
 * take the other value. `keys`: the count from `scan`; `value`: the parsed text.
 */
export const twice = (keys: number, value: unknown): Finding | null =>
  keys === keysOf(value) ? null : { rule: 'duplicateKey', message: messages.duplicateKey, steps: [] };

/**
 * What the rules refuse in a JSON text, in one pass and before it is parsed; if nothing, how many
 * keys are written in it.
 *
 * Says nothing about whether the text is valid JSON: parse it afterwards. `depth` is how deep
 * arrays and objects may be nested, the root included.
 */
export const scan = (text: string, depth: number): Finding | number => {
  const surrogates = json.loneSurrogate.test(text) || escapedSurrogate.test(text);
  const plain = !text.includes('\\');
  const units = toUnits(text);
  const { length } = text;
  let open = 0;
  let keys = 0;
  for (let at = 0; at < length; at += 1) {
    const code = units[at] as number;
    if (code === json.quote) {
      const start = at;
      let escaped = false;
      if (plain) at = endOfPlain(text, start);
      else {
        for (let inside = units[++at]; inside !== json.quote; inside = units[++at]) {
          if (inside !== json.backslash) continue;
          escaped = true;
          at += 1;
        }
      }
      if (surrogates && json.loneSurrogate.test(json.meaning(text, start, at))) return found('surrogate', text, start);
      let next = at + 1;
      while (json.isSpace(units[next])) next += 1;
      if (units[next] === json.colon) {
        keys += 1;
        if (isForbidden(text, start, at, escaped)) return found('forbiddenKey', text, start);
      }
    } else if (code === json.openObject || code === json.openArray) {
      open += 1;
      if (open > depth) return found('maxDepth', text, at);
    } else if (code === json.closeObject || code === json.closeArray) {
      open -= 1;
    } else if (json.isDigit(code) || code === json.minus) {
      const start = at;
      while (json.isDigit(units[at + 1])) at += 1;
      const digits = at + 1 - start;
      let isExponent = false;
      for (; json.isOfNumber(units[at + 1]); at += 1) isExponent ||= units[at + 1] !== json.dot && !json.isDigit(units[at + 1]);
      // Fifteen digits before the point are always exact, and without an exponent always finite.
      if ((isExponent || digits > 15) && isBadNumber(text.slice(start, at + 1))) return found('number', text, start);
    }
  }
  return keys;
};

/**
 * What is written in a JSON text, or what of it the rules refuse. `parse` is not given what they
 * refuse.
 */
export const readGuarded = (
  text: string,
  depth: number,
  parse: (text: string) => unknown,
): { readonly value: unknown } | Finding => {
  const scanned = scan(text, depth);
  if (typeof scanned !== 'number') return scanned;
  const value = parse(text);
  return twice(scanned, value) ?? { value };
};
