import type { Implementation } from '../implement.ts';

export const certificates: Implementation['certificates'] = {
  async list(_input, { trust }) {
    return { output: { certificates: [...(await trust.list())] } };
  },

  async add({ pem }, { trust, request }) {
    const certificates = [...(await trust.add(pem, request))];
    return { output: { certificates }, about: certificates.map(({ id }) => id) };
  },

  async content({ id }, { trust }) {
    return { output: { pem: await trust.content(id) } };
  },

  async remove({ id }, { trust }) {
    await trust.remove(id);
    return { output: {}, about: [id] };
  },
};
