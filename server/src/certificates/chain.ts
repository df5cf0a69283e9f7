import type { X509Certificate } from 'node:crypto';

const holdsAt = (certificate: X509Certificate, now: number): boolean =>
  Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/**
 * Does this certificate lead to one of the trusted authorities, at this time? `others` are certificates that its owner sent with it: they may
 * stand in between. One that is no authority counts for nothing. Each is looked at once.
 */
export const leadsTo = (
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: number,
): boolean => {
  const trusted = authorities.filter((authority) => holdsAt(authority, now));
  const reached = [certificate];
  const left = new Set(others);
  for (const one of reached) {
    if (!holdsAt(one, now)) continue;
    if (trusted.some((authority) => isIssuedBy(one, authority))) return true;
    for (const other of left) {
      if (!isIssuedBy(one, other)) continue;
      left.delete(other);
      reached.push(other);
    }
  }
  return false;
};
