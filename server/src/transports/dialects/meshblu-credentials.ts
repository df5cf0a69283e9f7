import type { IncomingHttpHeaders } from 'node:http';
import type { Attempt } from '../../authenticate.ts';

/** The header pairs that Meshblu's clients use, in the order in which they count (reference, section 2.21). */
const pairs = [
  ['meshblu_auth_uuid', 'meshblu_auth_token'],
  ['skynet_auth_uuid', 'skynet_auth_token'],
  ['x-meshblu-uuid', 'x-meshblu-token'],
] as const;

const decode = (encoded: string): Attempt | undefined => {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? { uuid: '', token: '' } : { uuid: text.slice(0, colon), token: text.slice(colon + 1) };
};

/** The credentials of a request: the first that are present count; undefined if there are none. Basic and Bearer are read alike. */
export const credentialsOf = (headers: IncomingHttpHeaders): Attempt | undefined => {
  const encoded = headers.authorization?.split(/\s+/)[1];
  if (headers.authorization !== undefined) return decode(encoded ?? '');
  for (const [uuid, token] of pairs) {
    if (headers[uuid] !== undefined || headers[token] !== undefined) return { uuid: headers[uuid], token: headers[token] };
  }
  return undefined;
};
