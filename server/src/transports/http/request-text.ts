import { MIMEType } from 'node:util';
import { RegistryError } from '@rollcall/client/contract';
import { decodeUtf8 } from '../../common/utf8.ts';

const charsetOf = (contentType: string): string => {
  try {
    return (new MIMEType(contentType).params.get('charset') ?? 'utf-8').toLowerCase();
  } catch {
    // What is no media type names no charset. Whether it is taken is decided where the body is read.
    return 'utf-8';
  }
};

/** ASCII is a part of UTF-8. */
const charsets: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/** Headers that describe the encoding of a body. */
export interface BodyHeaders {
  readonly 'content-type'?: string | undefined;
  readonly 'content-encoding'?: string | undefined;
}

/**
 * The text of a request's body.
 *
 * Fails with `unsupported-media-type` for another charset than UTF-8 and for a compressed body, and with `invalid-input` for bytes that are no
 * UTF-8 (RFC 8259, section 8.1; RFC 9110, section 8.4).
 */
export const readText = (bytes: Uint8Array, headers: BodyHeaders): string => {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  if (!charsets.has(charsetOf(type))) throw new RegistryError('unsupported-media-type', 'The charset of the body must be utf-8');
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new RegistryError('unsupported-media-type', 'The body must not be compressed');
  return decodeUtf8(bytes);
};
