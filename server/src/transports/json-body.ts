import { RegistryError } from '@rollcall/client/contract';
import { maxDepth, scan } from './socket/scan.ts';

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule, message }] });
};

/** Reads a request's body under the rules that hold for events: depth, forbidden keys, numbers, surrogates. No body is undefined. */
export const readJson = (text: string, contentType = 'application/json'): unknown => {
  if (text === '') return undefined;
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType))
    return refuse('', 'contentType', 'the body must be application/json');
  const finding = scan(text, maxDepth);
  if (finding !== null) return refuse(finding.steps.join(''), finding.rule, finding.message);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuse('', 'json', 'the body is not JSON');
  }
};
