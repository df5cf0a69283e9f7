import { RegistryError } from '@rollcall/client/contract';
import { isPlainObject } from '../../common/plain-object.ts';
import type { Call } from '../../operations/pipeline.ts';

const refuse = (path: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path: `/options${path}`, rule, message }] });
};

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Form of a request id: `<client instance>:<counter>`. */
export const requestIdPattern = /^([A-Za-z0-9_-]{16,64}):(\d{1,15})$/;

/** Reads `<client instance>:<counter>`. */
const readRequestId = (text: unknown, path: string): { instance: string; counter: number } => {
  const [, instance, counter] = (typeof text === 'string' && requestIdPattern.exec(text)) || [];
  if (instance === undefined || counter === undefined)
    return refuse(path, 'pattern', 'a request id is <client instance>:<counter>');
  return { instance, counter: Number(counter) };
};

/** Reads a call's options: `reqId`, `again`, `rev`, `as`; unknown ones are refused (ME-3). */
export const readOptions = (given: unknown): Pick<Call, 'request' | 'expectedRev' | 'as'> => {
  if (!isPlainObject(given)) return refuse('', 'type', 'call options are an object');
  const { reqId, again, rev, as, ...unknown } = given;
  for (const key of Object.keys(unknown)) refuse(`/${key}`, 'additionalProperties', 'there is no such call option');
  if (again !== undefined && !isCount(again)) refuse('/again', 'type', 'a whole number');
  if (rev !== undefined && !isCount(rev)) refuse('/rev', 'type', 'a whole number');
  if (as !== undefined && (typeof as !== 'string' || as === '')) refuse('/as', 'type', 'the uuid of a device');
  return {
    ...(reqId !== undefined && { request: { ...readRequestId(reqId, '/reqId'), again: isCount(again) ? again : 0 } }),
    ...(isCount(rev) && { expectedRev: rev }),
    ...(typeof as === 'string' && { as }),
  };
};
