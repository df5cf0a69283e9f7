import type { Duplex } from 'node:stream';
import { TLSSocket, type DetailedPeerCertificate } from 'node:tls';
import type { ShownCertificate } from '../login.ts';

/** How many certificates of one chain are looked at. */
const maxChain = 16;

/**
 * The certificate that the other end of a TLS connection has shown, and what it sent with it; null if it showed none. TLS has proved that it has
 * the key.
 */
export const peerCertificateOf = (stream: Duplex): ShownCertificate | null => {
  if (!(stream instanceof TLSSocket)) return null;
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = stream.getPeerCertificate(true);
  while (next?.raw !== undefined && chain.length < maxChain) {
    chain.push(next.raw);
    // The chain of a self-signed one ends with itself.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain.length === 0 ? null : chain;
};
