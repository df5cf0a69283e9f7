import { createPublicKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyRing } from './key-ring.ts';

/** The RSA key pair that signs webhooks, as PEM: made at first need, the same on every node (MS-6.5). */
export interface WebhookKey {
  privateKey(): Promise<string>;
  publicKey(): Promise<string>;
}

const generate = promisify(generateKeyPair);

const made = async (): Promise<string> => {
  const { privateKey } = await generate('rsa', { modulusLength: 2048 });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
};

export const webhookKey = (keys: KeyRing): WebhookKey => {
  let kept: Promise<string> | undefined;
  const privateKey = (): Promise<string> => {
    kept ??= keys.text('webhook-signing', made);
    kept.catch(() => (kept = undefined));
    return kept;
  };
  return {
    privateKey,
    publicKey: async () => createPublicKey(await privateKey()).export({ type: 'spki', format: 'pem' }) as string,
  };
};
