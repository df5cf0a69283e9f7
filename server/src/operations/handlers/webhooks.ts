import type { Implementation } from '../handler.ts';

/** Maximum number of failures of one device that can be read. */
const maxShown = 100;

export const webhooks: Implementation['webhooks'] = {
  async failures(_input, { target, store }) {
    const found = await store.collection('webhook-failures').find({ uuid: target }).sort({ at: -1 }).limit(maxShown).toArray();
    const failures = found.map(({ at, url, status, reason, nextTryAt }) => ({
      at: at.toISOString(),
      url,
      ...(status !== undefined && { status }),
      reason,
      nextTryAt: nextTryAt?.toISOString() ?? null,
    }));
    return { output: { failures } };
  },
};
