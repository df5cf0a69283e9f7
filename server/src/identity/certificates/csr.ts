import { createPublicKey, type KeyObject } from 'node:crypto';
import { readBase64, readPem, refuseCertificate } from './pem.ts';
import { x509 } from './x509.ts';

const labels = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);
const curves = new Set(['prime256v1', 'secp384r1']);

/** Strong enough, and of a kind that every client's TLS can do: RSA of 2048 to 8192 bits, P-256 or P-384 (AC-5.8). */
const isGood = ({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): boolean => {
  const { modulusLength = 0, namedCurve = '' } = details;
  return (type === 'rsa' && modulusLength >= 2048 && modulusLength <= 8192) || (type === 'ec' && curves.has(namedCurve));
};

/** Base64 of PEM is what the reference asks for; PEM alone, or base64 of DER, can be nothing else. */
const derOf = (text: string, path: string): Buffer => {
  const given = text.includes('-----BEGIN') ? Buffer.from(text) : readBase64(text, path);
  if (given[0] === 0x30) return given;
  const [block, ...others] = readPem(given.toString('latin1'), path);
  if (block !== undefined && others.length === 0 && labels.has(block.label)) return block.bytes;
  throw refuseCertificate(path, 'csr', 'must be one certificate request as PEM, in base64');
};

const parsed = (der: Buffer, path: string) => {
  try {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    const publicKey = Buffer.from(request.publicKey.rawData);
    return { request, publicKey, names: request.subjectName.getField('CN') };
  } catch {
    throw refuseCertificate(path, 'csr', 'this is no certificate request (PKCS#10) that can be read');
  }
};

const keyOf = (spki: Buffer): KeyObject | undefined => {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
};

const shown = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : JSON.stringify(names.join(', ').slice(0, 128));

/**
 * The public key (DER) of a certificate request: base64 of its PEM, or the PEM itself. Its CN must be the username, its own signature good, its key
 * strong. What else it asks for is not looked at. Fails with `invalid-input`.
 */
export const readCertificateRequest = async (text: string, username: string, path: string): Promise<Buffer> => {
  const { request, publicKey, names } = parsed(derOf(text, path), path);
  if (names.length !== 1 || names[0] !== username || username === '')
    throw refuseCertificate(
      path,
      'commonName',
      `the CN of the CSR (${shown(names)}) must be the username (${JSON.stringify(username)})`,
    );
  const key = keyOf(publicKey);
  if (key === undefined || !isGood(key))
    throw refuseCertificate(path, 'key', 'the key must be RSA of at least 2048 bits, P-256 or P-384');
  const isSigned = await request.verify().catch(() => false);
  if (!isSigned) throw refuseCertificate(path, 'signature', 'the signature of the CSR is not that of its own key');
  return publicKey;
};
