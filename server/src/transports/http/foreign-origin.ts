import type { IncomingMessage } from 'node:http';
import { RegistryError } from '@rollcall/client/contract';
import { isAllowedOrigin } from '../../common/allowed-origin.ts';

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

const isJson = (type = ''): boolean => /^application\/(?:[\w.+-]+\+)?json\b/i.test(type.trim());

/** Does a browser add these credentials to requests of any page by itself? */
const areAmbient = ({ authorization = '', cookie }: IncomingMessage['headers']): boolean =>
  cookie !== undefined || /^basic\b/i.test(authorization.trim());

/**
 * Why a page may not make this request; undefined if it may. Programs send no `Origin`, and may.
 *
 * A browser sends a form without asking first. So a page of another origin changes nothing here, whatever the browser adds to its request:
 * `unsupported-media-type` for cached credentials without a JSON body, else `forbidden`.
 */
export const refuseForeignOrigin = (request: IncomingMessage, origins: ReadonlySet<string>): RegistryError | undefined => {
  const { method = '', headers } = request;
  if (safeMethods.has(method) || isAllowedOrigin(request, origins)) return undefined;
  return areAmbient(headers) && !isJson(headers['content-type'])
    ? new RegistryError('unsupported-media-type', 'The body must be application/json')
    : new RegistryError('forbidden', 'Pages of this origin may change nothing here');
};
