import type { X509Certificate } from 'node:crypto';
import { readCertificate } from './describe.ts';

const holdsAt = (certificate: X509Certificate, now: number): boolean =>
  Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);

/** TLS clients, and anything (RFC 5280, section 4.2.1.12). */
const clientPurposes = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/** May it stand for clients? One that names no purposes may; Node calls them `keyUsage`. */
const isForClients = ({ keyUsage }: X509Certificate): boolean =>
  (keyUsage as readonly string[] | undefined)?.some((purpose) => clientPurposes.includes(purpose)) ?? true;

/** May so many authorities stand between this one and the certificate at the end (RFC 5280, section 4.2.1.9)? One that cannot be read allows none. */
const allowsBelow = ({ raw }: X509Certificate, between: number): boolean => {
  try {
    const { pathLength } = readCertificate(raw, '').info.basicConstraints;
    return pathLength < 0 || between <= pathLength;
  } catch {
    return false;
  }
};

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate, between: number): boolean =>
  issuer.ca &&
  isForClients(issuer) &&
  certificate.checkIssued(issuer) &&
  allowsBelow(issuer, between) &&
  certificate.verify(issuer.publicKey);

/**
 * Does this certificate lead to one of the trusted authorities, at this time, as one of a client? `others` are certificates that its owner sent with
 * it: they may stand in between. One that is no authority, or not for this, counts for nothing. Each is looked at once.
 */
export const leadsTo = (
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: number,
): boolean => {
  if (!isForClients(certificate)) return false;
  const trusted = authorities.filter((authority) => holdsAt(authority, now));
  const reached = [{ one: certificate, between: 0 }];
  const left = new Set(others);
  for (const { one, between } of reached) {
    if (!holdsAt(one, now)) continue;
    if (trusted.some((authority) => isIssuedBy(one, authority, between))) return true;
    for (const other of left) {
      if (!isIssuedBy(one, other, between)) continue;
      left.delete(other);
      reached.push({ one: other, between: between + 1 });
    }
  }
  return false;
};
