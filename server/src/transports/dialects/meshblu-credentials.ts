import type { IncomingHttpHeaders } from 'node:http';
import { looksLikeJwt } from '../../identity/tokens/jwt.ts';
import type { Credentials } from '../../identity/authenticate.ts';

/** The header pairs that Meshblu's clients use, in the order in which they count (MS-2.21). */
const pairs = [
  ['meshblu_auth_uuid', 'meshblu_auth_token'],
  ['skynet_auth_uuid', 'skynet_auth_token'],
  ['x-meshblu-uuid', 'x-meshblu-token'],
] as const;

const decode = (encoded: string): Credentials => {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? { uuid: '', token: '' } : { uuid: text.slice(0, colon), token: text.slice(colon + 1) };
};

/**
 * What `Authorization` shows: an access token, after `Bearer` or alone (AC-1); name and password, or uuid and
 * token, after `Basic`; the latter two also after `Bearer`, as Meshblu's clients send them.
 */
const authorization = (header: string): Credentials => {
  const [first = '', second] = header.trim().split(/\s+/);
  const value = second ?? first;
  if (looksLikeJwt(value) && first.toLowerCase() !== 'basic') return { uuid: undefined, token: value };
  if (second === undefined) return { uuid: '', token: '' };
  return { ...decode(second), basic: first.toLowerCase() === 'basic' };
};

/** The credentials of a request, by the first kind that is present. Undefined without any. */
export const credentialsOf = (headers: IncomingHttpHeaders): Credentials | undefined => {
  if (headers.authorization !== undefined) return authorization(headers.authorization);
  for (const [uuid, token] of pairs) {
    if (headers[uuid] !== undefined || headers[token] !== undefined) return { uuid: headers[uuid], token: headers[token] };
  }
  return undefined;
};
