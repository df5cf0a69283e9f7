import type { Implementation } from '../handler.ts';
import { assertMayGrant } from './grant-checks.ts';

/** Every permission there is. */
const everything = [
  { resource: '/#', operation: 'readWrite', context: 'http' },
  { resource: '#', operation: 'readWrite', context: 'mqtt' },
] as const;

export const certificates: Implementation['certificates'] = {
  async list(_input, { trust }) {
    return { output: { certificates: [...(await trust.list())] } };
  },

  async add({ pem }, call) {
    // The holder of a trusted authority's key can log in as any user whose grant types allow a
    // certificate.
    await assertMayGrant(call, everything);
    const certificates = [...(await call.trust.add(pem, call.request))];
    return { output: { certificates }, auditTargets: certificates.map(({ id }) => id) };
  },

  async content({ id }, { trust }) {
    return { output: { pem: await trust.content(id) } };
  },

  async remove({ id }, { trust }) {
    await trust.remove(id);
    // Connections that depend on it are closed when the change is applied, and the answer waits for
    // that.
    return { output: {}, auditTargets: [id], revokes: [] };
  },
};
