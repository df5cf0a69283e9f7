import { X509Certificate } from 'node:crypto';
import type { CertificateInfo } from '@rollcall/client/contract';
import { certificateId } from '../../domain/fingerprint.ts';
import { refuseCertificate, writePem } from './pem.ts';
import { x509 } from './x509.ts';

/** A certificate that could be read. */
export interface ReadCertificate {
  /** As PEM, written anew. */
  readonly pem: string;
  readonly info: CertificateInfo;
  /** Every common name of the subject, as it stands there. */
  readonly commonNames: readonly string[];
}

/** The key usages of RFC 5280, section 4.2.1.3, in the order of their bits. */
const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

/** The purposes that have a name in RFC 5280, section 4.2.1.12; others are shown by their object identifier. */
const purposes: Readonly<Record<string, string>> = {
  '2.5.29.37.0': 'anyExtendedKeyUsage',
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
};

/** Names of other kinds of alternative names, as OpenSSL prints them. */
const alternativeKinds: Readonly<Record<string, string>> = {
  dns: 'DNS',
  ip: 'IP Address',
  email: 'email',
  url: 'URI',
  dn: 'DirName',
  id: 'Registered ID',
};

const fieldsOf = (name: x509.Name) => ({
  commonName: name.getField('CN')[0] ?? '',
  organization: name.getField('O')[0] ?? '',
  organizationalUnit: name.getField('OU')[0] ?? '',
});

/** Null also for an extension of this kind whose content is no such thing. */
const extension = <T extends x509.Extension>(certificate: x509.X509Certificate, kind: new (raw: ArrayBuffer) => T): T | null => {
  const found = certificate.getExtension(kind);
  return found instanceof kind ? found : null;
};

/**
 * Reads one certificate from DER. OpenSSL reads it first: what it does not take is none. Fails with `invalid-input`.
 *
 * `keyUsage` is the library's, because `X509Certificate#keyUsage` of Node is the extended one (AC-5.11).
 */
export const readCertificate = (der: Uint8Array, path: string): ReadCertificate => {
  try {
    const checked = new X509Certificate(der);
    const read = new x509.X509Certificate(checked.raw);
    const usage = extension(read, x509.KeyUsagesExtension)?.usages ?? 0;
    const constraints = extension(read, x509.BasicConstraintsExtension);
    const alternative = extension(read, x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    const [issuedOn, expiresOn] = [read.notBefore.getTime(), read.notAfter.getTime()];
    if (Number.isNaN(issuedOn) || Number.isNaN(expiresOn)) throw new Error('no dates');
    return {
      pem: writePem('CERTIFICATE', checked.raw),
      commonNames: read.subjectName.getField('CN'),
      info: {
        id: certificateId(checked.fingerprint256) ?? '',
        issuedBy: fieldsOf(read.issuerName),
        issuedTo: {
          ...fieldsOf(read.subjectName),
          alternativeNames: alternative.map(({ type, value }) => `${alternativeKinds[type] ?? type}:${value}`),
        },
        keyUsage: keyUsages.filter((_, bit) => (usage & (1 << bit)) !== 0),
        extendedKeyUsage: (extension(read, x509.ExtendedKeyUsageExtension)?.usages ?? []).map(
          (oid) => purposes[String(oid)] ?? String(oid),
        ),
        basicConstraints: { isCA: checked.ca, pathLength: constraints?.pathLength ?? -1 },
        issuedOn,
        expiresOn,
        fingerprints: { sha1: checked.fingerprint, sha256: checked.fingerprint256 },
        removable: true,
      },
    };
  } catch {
    throw refuseCertificate(path, 'certificate', 'this is no X.509 certificate that can be read');
  }
};
