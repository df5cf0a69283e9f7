import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { x509 } from './x509.ts';
import { writePem } from './pem.ts';

/** A certificate with the private key that belongs to it, both PEM (the key PKCS#8). */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** What a certificate is issued for. */
export interface CertificateSubject {
  readonly commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly purpose: 'clientAuth' | 'serverAuth';
  /** Host names and addresses that it holds for; none for a client. */
  readonly hosts?: readonly string[];
}

const dayMs = 86_400_000;
/** How long an issued certificate holds (AC-5.8). */
const issuedDays = 365;
const authorityDays = 20 * 365;
/** A certificate begins to hold this long before it is made: clocks of devices differ. */
const earlyMs = 300_000;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** 128 random bits; the leading zero keeps the number positive. */
const serialNumber = (): string => `00${randomBytes(16).toString('hex')}`;

const validity = (now: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } => {
  const from = Math.floor((now - earlyMs) / 1000) * 1000;
  return { notBefore: new Date(from), notAfter: new Date(from + days * dayMs) };
};

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> =>
  writePem('PRIVATE KEY', new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key)));

const pemOf = (certificate: x509.X509Certificate): string => writePem('CERTIFICATE', new Uint8Array(certificate.rawData));

/** Makes an authority of its own: P-256, SHA-256, 20 years, for certificates directly below it. */
export const makeAuthority = async (now: number): Promise<KeyedCertificate> => {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ['Rollcall CA'] }, { O: ['Rollcall'] }],
    ...validity(now, authorityDays),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), privateKey: await privatePem(keys.privateKey) };
};

/**
 * Issues a certificate: subject CN alone, no authority, one purpose, 365 days, a random serial number of 128 bits, SHA-256 (AC-5.8). Nothing that a request wishes for beyond its name and key goes into it.
 */
export const issueCertificate = async (
  authority: KeyedCertificate,
  subject: CertificateSubject,
  now: number,
): Promise<string> => {
  const issuer = new x509.X509Certificate(authority.certificate);
  const pkcs8 = createPrivateKey(authority.privateKey).export({ format: 'der', type: 'pkcs8' });
  const { hosts = [] } = subject;
  const names = hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [subject.commonName] }],
    issuer: issuer.subjectName,
    ...validity(now, issuedDays),
    publicKey: new Uint8Array(subject.publicKey),
    signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[subject.purpose]]),
      await x509.SubjectKeyIdentifierExtension.create(new Uint8Array(subject.publicKey)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return pemOf(certificate);
};

/** A server's certificate for these hosts, with a new key. */
export const issueForServer = async (
  authority: KeyedCertificate,
  hosts: readonly string[],
  now: number,
): Promise<KeyedCertificate> => {
  const keys = await newKeys();
  const publicKey = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  const [commonName = 'localhost'] = hosts;
  const certificate = await issueCertificate(authority, { commonName, publicKey, purpose: 'serverAuth', hosts }, now);
  return { certificate, privateKey: await privatePem(keys.privateKey) };
};
