import { RegistryError } from '@rollcall/client/contract';

/** One block of PEM text (RFC 7468): what it says it is, and its bytes. */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Buffer;
}

/** Some editors write it at the start of a file, and files are joined. */
const byteOrderMark = '\uFEFF';

/** The longest DER that is looked at; a certificate or a request of a person or device has one or two kilobytes. */
const maxBytes = 16_384;

/** A value of the input that cannot be used, with a sentence that says why. */
export const refuseCertificate = (path: string, rule: string, message: string): RegistryError =>
  new RegistryError('invalid-input', message, { details: [{ path, rule, message }] });

/**
 * The blocks of a text, in their order; text around them is left out, as tools print some. Fails with `invalid-input` if a block is
 * broken or too long, or if there is a private key in it: those have no business here.
 */
export const readPem = (given: string, path: string): readonly PemBlock[] => {
  const text = given.replaceAll(byteOrderMark, '');
  if (/BEGIN[^\n]*PRIVATE KEY/i.test(text))
    throw refuseCertificate(path, 'privateKey', 'a private key must not be sent; nothing was kept of it');
  const blocks: PemBlock[] = [];
  const boundary = /^-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----[ \t\r]*$/gm;
  let open: { readonly label: string; readonly from: number } | undefined;
  for (const { 0: line, 1: what, 2: label = '', index } of text.matchAll(boundary)) {
    if ((what === 'BEGIN') === (open !== undefined) || (open !== undefined && open.label !== label))
      throw refuseCertificate(path, 'pem', 'BEGIN and END must come in pairs');
    if (open === undefined) open = { label, from: index + line.length };
    else {
      blocks.push({ label, bytes: readBase64(text.slice(open.from, index), path) });
      open = undefined;
    }
  }
  if (open !== undefined) throw refuseCertificate(path, 'pem', 'an END is missing');
  return blocks;
};

/** The bytes of base64 text, in which white space counts for nothing. Fails with `invalid-input`. */
export const readBase64 = (text: string, path: string): Buffer => {
  const compact = text.replaceAll(byteOrderMark, '').replace(/[ \t\r\n\f\v]+/g, '');
  if (compact === '' || compact.length % 4 === 1 || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact))
    throw refuseCertificate(path, 'base64', 'must be base64');
  const bytes = Buffer.from(compact, 'base64');
  if (bytes.length > maxBytes) throw refuseCertificate(path, 'maxLength', `at most ${maxBytes} bytes`);
  return bytes;
};

/** Bytes as PEM text, 64 characters a line, with a line feed at the end. */
export const writePem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${(
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END ${label}-----\n`;
