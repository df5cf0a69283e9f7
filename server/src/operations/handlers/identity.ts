import { RegistryError } from '@rollcall/client/contract';
import { outgoing } from '../../domain/device-view.ts';
import type { Implementation } from '../handler.ts';

type Rows = Pick<Implementation['meshblu'], 'authenticate' | 'getPublicKey' | 'status'>;

export const identity: Rows = {
  async authenticate({ uuid, token }, { devices, tokens }) {
    const device = (await devices.get(uuid)) ?? (await devices.getFresh(uuid));
    return { output: { uuid, authentication: device !== null && (await tokens.verify(device, token)) !== null } };
  },

  async getPublicKey({ uuid }, { devices }) {
    const device = (await devices.get(uuid)) ?? (await devices.getFresh(uuid));
    if (device === null) throw new RegistryError('not-found', 'Device not found');
    return { output: { uuid, publicKey: outgoing(device)['publicKey'] ?? null } };
  },

  status: () => ({ output: { meshblu: 'online' } }),
};
