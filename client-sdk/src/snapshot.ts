import { RegistryError } from './contract/errors.ts';

/** Longest input that the server takes, in bytes of JSON: 128 KiB less what surrounds it. */
const maxInputBytes = 127 * 1024;

/** The same for messages to devices: the largest that a server can be set to take. */
const maxMessageBytes = 1_048_576;

/**
 * A copy of an input as plain JSON, made when the call is made: what happens to the caller's object later changes neither a waiting
 * call nor a repeated one. Fails with `invalid-input` if it is no JSON, `too-large` above 127 KiB, or 1 MiB for
 * messages to devices.
 */
export const snapshot = (input: unknown, operation: string): unknown => {
  let text: string | undefined;
  try {
    text = JSON.stringify(input ?? {});
  } catch (cause) {
    throw new RegistryError('invalid-input', 'The input cannot be written as JSON', { cause });
  }
  if (text === undefined) throw new RegistryError('invalid-input', 'The input cannot be written as JSON');
  const maxBytes = operation === 'message' || operation === 'messageAck' ? maxMessageBytes : maxInputBytes;
  if (text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes) throw new RegistryError('too-large');
  return JSON.parse(text);
};
