import { RegistryError } from '@rollcall/client/contract';
import { maxDepth, scan } from './socket/scan.ts';

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule, message }] });
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuse('', 'json', 'the body is not JSON');
  }
};

/** The keys in a valid JSON text: each is followed by the one colon that stands outside of strings. */
const keysIn = (text: string): number => {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === ':') count += 1;
    if (character !== '"') continue;
    for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1;
  }
  return count;
};

const keysOf = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value).reduce<number>((count, one) => count + keysOf(one), 0);
  return Array.isArray(value) ? inner : inner + Object.keys(value).length;
};

/**
 * Reads a request's body under the rules that hold for events: depth, forbidden keys, numbers, surrogates. A key that an object has twice is
 * refused too: whoever looks at the request on its way may see the other value. No body is undefined.
 */
export const readJson = (text: string, contentType = 'application/json'): unknown => {
  if (text === '') return undefined;
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType))
    return refuse('', 'contentType', 'the body must be application/json');
  const finding = scan(text, maxDepth);
  if (finding !== null) return refuse(finding.steps.join(''), finding.rule, finding.message);
  const value = parsed(text);
  return keysIn(text) === keysOf(value) ? value : refuse('', 'duplicateKey', 'an object has the same key twice');
};
