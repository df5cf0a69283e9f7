import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Trust } from '../identity/certificates/trust-store.ts';

/** A certificate and its private key, as PEM. */
export interface Keyed {
  readonly cert: string;
  readonly key: string;
}

/** The settings that the certificate of the TLS listener depends on. */
export interface CertificateSettings {
  /** Address that MQTT listens on. */
  readonly host: string;
  /** PEM files; both or none. */
  readonly mqttsCertFile: string | undefined;
  readonly mqttsKeyFile: string | undefined;
}

/** A certificate of our own is replaced when it has less left than this, in milliseconds. */
const spareMs = 30 * 86_400_000;
const everywhere = new Set(['0.0.0.0', '::']);

/**
 * What the TLS listener shows: the files that the settings name, read anew each time, or a certificate of the registry's own authority for this
 * host, issued again before it expires. Fails if only one of the two files is named or one cannot be read.
 */
export const serverCertificate = async (
  { host, mqttsCertFile, mqttsKeyFile }: CertificateSettings,
  trust: Pick<Trust, 'issueForServer'>,
  now: () => number,
): Promise<() => Promise<Keyed>> => {
  if ((mqttsCertFile === undefined) !== (mqttsKeyFile === undefined)) {
    throw new Error('ROLLCALL_MQTTS_CERT_FILE and ROLLCALL_MQTTS_KEY_FILE belong together');
  }
  if (mqttsCertFile !== undefined && mqttsKeyFile !== undefined) {
    return async () => ({ cert: await readFile(mqttsCertFile, 'utf8'), key: await readFile(mqttsKeyFile, 'utf8') });
  }
  const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...(everywhere.has(host) ? [] : [host])])];
  let issued: Keyed | undefined;
  return async () => {
    const expires = issued === undefined ? 0 : Date.parse(new X509Certificate(issued.cert).validTo);
    if (issued === undefined || expires - now() < spareMs) {
      const { certificate, privateKey } = await trust.issueForServer(hosts);
      issued = { cert: certificate, key: privateKey };
    }
    return issued;
  };
};
