import { RegistryError } from '@rollcall/client/contract';

/**
 * Decodes bytes as UTF-8, without a byte order mark. Fails with `invalid-input` for bytes that are
 * no UTF-8.
 */
export const decodeUtf8 = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new RegistryError('invalid-input', undefined, {
      details: [{ path: '', rule: 'utf8', message: 'must be encoded in UTF-8' }],
      cause: error,
    });
  }
};
