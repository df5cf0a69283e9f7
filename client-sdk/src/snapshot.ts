import { RegistryError } from './contract/errors.ts';

/** Longest input that the server takes, in bytes of JSON: 128 KiB less what surrounds it. */
const maxInputBytes = 127 * 1024;

/** The same for messages to devices: the largest that a server can be set to take. */
const maxMessageBytes = 1_048_576;

/** Deeper inputs are refused by every server. */
const maxDepth = 64;

/** Fails for the first value that JSON would change or leave out without a word. `above`: the objects that the value lies in. */
const check = (value: unknown, path: string, above: readonly unknown[]): void => {
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind === 'Null' || kind === 'String' || kind === 'Boolean') return;
  const own = value as { readonly toJSON?: (key: string) => unknown } | undefined;
  const isNumber = kind === 'Number' || kind === 'Date';
  const isKept = isNumber
    ? Number.isFinite(Number(value))
    : kind === 'Array' || kind === 'Object' || typeof own?.toJSON === 'function';
  if (!isKept || ArrayBuffer.isView(value) || above.includes(value) || above.length > maxDepth) {
    throw new RegistryError('invalid-input', `${path}: ${kind} cannot be sent as JSON`, {
      details: [{ path, rule: 'json', message: kind }],
    });
  }
  if (isNumber) return;
  const within = [...above, value];
  if (own?.toJSON) check(own.toJSON(''), path, within);
  else if (Array.isArray(value)) for (let at = 0; at < value.length; at += 1) check(value[at], `${path}/${at}`, within);
  else {
    // A property that is undefined counts as left out, as everywhere in JavaScript.
    for (const [key, inner] of Object.entries(value as object))
      if (inner !== undefined) check(inner, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, within);
  }
};

/**
 * A copy of an input as plain JSON, made when the call is made: what happens to the caller's object later changes neither a waiting
 * call nor a repeated one. Fails with `invalid-input` and the path of the first value that JSON cannot carry (NaN, a Map, a function, bytes,
 * undefined in a list …), with `too-large` above 127 KiB, or 1 MiB for messages to devices.
 */
export const snapshot = (input: unknown, operation: string): unknown => {
  const given = input ?? {};
  check(given, '', []);
  const text = JSON.stringify(given);
  const maxBytes = operation === 'message' || operation === 'messageAck' ? maxMessageBytes : maxInputBytes;
  if (text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes) throw new RegistryError('too-large');
  return JSON.parse(text);
};
