import { RegistryError } from '@rollcall/client/contract';
import { maxDepth, scan, twice } from './socket/scan.ts';

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
 * Reads a request's body under the rules that hold for events: depth, forbidden keys and keys twice, numbers, surrogates. No body is undefined.
 */
export const readJson = (text: string, contentType = 'application/json'): unknown => {
  if (text === '') return undefined;
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType))
    return refuse('', 'contentType', 'the body must be application/json');
  const scanned = scan(text, maxDepth);
  const value = typeof scanned === 'number' ? parsed(text) : undefined;
  const finding = typeof scanned === 'number' ? twice(scanned, value) : scanned;
  return finding === null ? value : refuse(finding.steps.join(''), finding.rule, finding.message);
};
