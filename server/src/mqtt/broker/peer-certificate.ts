import type { Duplex } from 'node:stream';
import { TLSSocket, type DetailedPeerCertificate } from 'node:tls';
import type { ShownCertificate } from '../login.ts';

/** Certificates of one chain that are read. */
const maxChain = 16;

/**
 * The client certificate of a TLS connection and the chain sent with it. Null without one.
 * TLS has proved that the client has its key.
 */
export const peerCertificateOf = (stream: Duplex): ShownCertificate | null => {
  if (!(stream instanceof TLSSocket)) return null;
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = stream.getPeerCertificate(true);
  while (next?.raw !== undefined && chain.length < maxChain) {
    chain.push(next.raw);
    // The issuer of a self-signed certificate is itself.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain.length === 0 ? null : chain;
};
