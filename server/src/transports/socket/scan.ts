import * as json from './json-text.ts';
import { pointer } from './pointer.ts';

/** Arrays and objects inside one another in one argument, the argument itself included. */
export const maxDepth = 32;

/** Names that change what an object is for JavaScript, for JSON.stringify or for the MongoDB driver. */
const forbidden: ReadonlySet<string> = new Set(['', '__proto__', 'constructor', 'prototype', 'toJSON', '_bsontype']);

/** The first thing in a JSON text that the rules refuse. */
export interface Finding {
  readonly rule: 'maxDepth' | 'forbiddenKey' | 'number' | 'surrogate';
  readonly message: string;
  /** Steps of a JSON Pointer from the root of the text, each with its slash. */
  readonly steps: readonly string[];
}

const messages = {
  maxDepth: `Nested deeper than ${maxDepth} levels`,
  forbiddenKey: 'This key is not allowed',
  number: 'Not a finite number, or an integer that a double cannot hold exactly',
  surrogate: 'Contains half of a surrogate pair',
} as const;

const escapedSurrogate = /\\u[dD][89a-fA-F]/;

/** An unescaped key in valid JSON holds no NUL, so only the escaped one has to be looked at. */
const isForbidden = (text: string, start: number, end: number, escaped: boolean): boolean => {
  if (!escaped) return end - start <= 12 && forbidden.has(text.slice(start + 1, end));
  const key = json.meaning(text, start, end);
  return forbidden.has(key) || key.includes('\0');
};

/** Fifteen digits or fewer are always exact, and without an exponent always finite. */
const isBadNumber = (text: string, start: number, end: number): boolean => {
  const literal = text.slice(start, end);
  if (literal.length < 16 && !/[eE]/.test(literal)) return false;
  const value = Number(literal);
  return Math.abs(value) === Infinity || (Number.isInteger(value) && !Number.isSafeInteger(value));
};

/**
 * What the rules refuse in a JSON text, in one pass and before it is parsed; null if nothing.
 *
 * Says nothing about whether the text is valid JSON: parse it afterwards. `depth` is how deep arrays and objects may be nested, counted from the root.
 */
export const scan = (text: string, depth: number): Finding | null => {
  const found = (rule: Finding['rule'], at: number): Finding => ({ rule, message: messages[rule], steps: pointer(text, at) });
  const surrogates = json.loneSurrogate.test(text) || escapedSurrogate.test(text);
  const { length } = text;
  let open = 0;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === json.quote) {
      const start = at;
      let escaped = false;
      for (at += 1; at < length; at += 1) {
        const inside = text.charCodeAt(at);
        if (inside === json.quote) break;
        if (inside === json.backslash) {
          escaped = true;
          at += 1;
        }
      }
      if (surrogates && json.loneSurrogate.test(json.meaning(text, start, at))) return found('surrogate', start);
      if (json.isKey(text, at) && isForbidden(text, start, at, escaped)) return found('forbiddenKey', start);
    } else if (code === json.openObject || code === json.openArray) {
      open += 1;
      if (open > depth) return found('maxDepth', at);
    } else if (code === json.closeObject || code === json.closeArray) {
      open -= 1;
    } else if (code === json.minus || (code >= json.zero && code <= json.nine)) {
      const end = json.endOfNumber(text, at);
      if (isBadNumber(text, at, end)) return found('number', at);
      at = end - 1;
    }
  }
  return null;
};
