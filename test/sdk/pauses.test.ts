import { expect } from 'chai';
import { connect } from '@rollcall/client';
import { startStub } from './support/stub.ts';
import { until } from '../support/until.ts';

describe('the pauses between attempts to connect', () => {
  it('are at most 5 s in the first two minutes after a drop, however many attempts have failed (V9)', async function () {
    this.timeout(20_000);
    const stub = await startStub();
    const pauses: number[] = [];
    const original = globalThis.setTimeout;
    const random = Math.random.bind(Math);
    // Every pause is taken as the longest that it could be, and waited for a hundredth of it.
    Math.random = () => 0.999_999;
    globalThis.setTimeout = ((run: () => void, ms = 0) => {
      if (ms >= 900 && ms < 19_000) pauses.push(ms);
      return original(run, ms >= 900 && ms < 19_000 ? ms / 100 : ms);
    }) as typeof setTimeout;
    try {
      const client = await connect(stub.url, { uuid: 'lamp', token: 'secret' });
      await stub.close();
      await until(() => pauses.length >= 8, 15_000);
      client.close();
      expect(Math.max(...pauses)).to.be.within(4_900, 5_000);
    } finally {
      globalThis.setTimeout = original;
      Math.random = random;
    }
  });
});
