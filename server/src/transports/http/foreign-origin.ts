import type { IncomingMessage } from 'node:http';
import { RegistryError } from '@rollcall/client/contract';
import { isAllowedOrigin } from '../../common/allowed-origin.ts';

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

const isJson = (type = ''): boolean => /^application\/(?:[\w.+-]+\+)?json\b/i.test(type.trim());

/** Does a browser add these credentials by itself to any page's requests? */
const areAmbient = ({ authorization = '', cookie }: IncomingMessage['headers']): boolean =>
  cookie !== undefined || /^basic\b/i.test(authorization.trim());

/**
 * The error for a request that a page may not make. Undefined if it is allowed.
 * Programs send no `Origin`, and are allowed.
 *
 * A browser sends a form without a preflight request. So pages of other origins may change nothing,
 * whatever credentials the browser adds: `unsupported-media-type` for cached credentials without a
 * JSON body, otherwise `forbidden`.
 */
export const refuseForeignOrigin = (request: IncomingMessage, origins: ReadonlySet<string>): RegistryError | undefined => {
  const { method = '', headers } = request;
  if (safeMethods.has(method) || isAllowedOrigin(request, origins)) return undefined;
  return areAmbient(headers) && !isJson(headers['content-type'])
    ? new RegistryError('unsupported-media-type', 'The body must be application/json')
    : new RegistryError('forbidden', 'Pages of this origin may change nothing here');
};
