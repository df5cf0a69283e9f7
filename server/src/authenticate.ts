import type { Actor } from './actor.ts';
import type { Documents } from './door.ts';
import type { DeviceDocument } from './store/collections.ts';
import type { Tokens } from './tokens.ts';

/** What somebody shows to prove who he is. Values are as they came: any type. */
export interface Attempt {
  readonly uuid: unknown;
  readonly token: unknown;
}

/** Who an attempt is, null if it proves nothing. All transports ask here. */
export type Authenticate = (attempt: Attempt) => Promise<Actor | null>;

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= most;

/** uuid and token of a device that exists (Meshblu reference, section 5.4). Types are checked before anything is hashed. */
export const authenticateWith =
  (devices: Documents<DeviceDocument>, tokens: Tokens): Authenticate =>
  async ({ uuid, token }) => {
    if (!isText(uuid, 256) || !isText(token, 1024)) return null;
    const device = (await devices.find(uuid)) ?? (await devices.fresh(uuid));
    return device === null ? null : tokens.verify(device, token);
  };
