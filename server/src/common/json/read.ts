import { RegistryError } from '@rollcall/client/contract';
import { maxJsonDepth, readGuarded } from './scan.ts';

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

/**
 * Reads a request's body under the rules that hold for events: depth, forbidden keys and keys
 * twice, numbers, surrogates. No body is undefined.
 */
export const readJson = (text: string, contentType = 'application/json'): unknown => {
  if (text === '') return undefined;
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType))
    return refuse('', 'contentType', 'the body must be application/json');
  const given = readGuarded(text, maxJsonDepth, parsed);
  return 'rule' in given ? refuse(given.steps.join(''), given.rule, given.message) : given.value;
};
