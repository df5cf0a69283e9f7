import { RetryLaterError, createLoginQueue } from '@rollcall/server/internal/transports/socketio/login-queue';
import { expect } from 'chai';
import { connect } from '@rollcall/client';
import { startStub } from '../sdk/support/stub.ts';
import { until } from '../support/until.ts';

const limits = { maxWaiting: 100, atOnce: 20, crowd: 100, pauseMs: 5 };

describe('arrivals', () => {
  it('one who comes alone waits for nothing', () => {
    const entered: string[] = [];
    void createLoginQueue(() => 1_000, limits).enter(async () => entered.push('one'), true);
    expect(entered).to.deep.equal(['one']);
  });

  it('many come in by groups, in their order', async () => {
    const { enter } = createLoginQueue(() => 1_000, limits);
    const entered: number[] = [];
    let inside = 0;
    let most = 0;
    const work = (index: number) => async () => {
      most = Math.max(most, (inside += 1));
      entered.push(index);
      await new Promise(setImmediate);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 90 }, (_, index) => enter(work(index), true)));
    expect(entered).to.deep.equal(Array.from({ length: 90 }, (_, index) => index));
    expect(most).to.equal(20);
  });

  it('who comes when too many wait is given a time of his own, unless he cannot come back', async () => {
    const { enter } = createLoginQueue(() => 1_000, limits);
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 20));
    const all = Array.from({ length: 400 }, () => enter(slow, true).catch((error: unknown) => error));
    const patient = Array.from({ length: 50 }, () => enter(slow, false).then(() => 'in'));
    const refused = (await Promise.all(all)).filter((one) => one instanceof RetryLaterError);
    expect(refused.length).to.be.within(250, 320);
    expect(await Promise.all(patient)).to.have.length(50);
    const times = refused.map(({ retryAfterMs }) => retryAfterMs);
    expect(times).to.deep.equal([...times].sort((one, other) => one - other));
    expect(times[0]).to.be.at.least(500);
  });

  it('one who takes long does not hold up the others', async () => {
    const { enter } = createLoginQueue(() => 1_000, limits);
    const never = enter(() => new Promise(() => undefined), true);
    expect(await Promise.race([never, enter(async () => 'in', true)])).to.equal('in');
  });

  it('our client comes back when it was told to, and not before', async () => {
    const stub = await startStub();
    const { greet } = stub;
    let sentAway = 0;
    stub.greet = (auth) => {
      if (sentAway > 0) return greet(auth);
      sentAway = performance.now();
      return { event: 'notReady', body: { api: 'connect', status: 503, retryAfterMs: 300 } };
    };
    const client = await connect(stub.url, { uuid: 'lamp', token: 'secret' }, { backoff: { minMs: 1, maxMs: 2 } });
    expect(performance.now() - sentAway).to.be.within(295, 2_000);
    client.close();
    await until(() => client.state === 'closed');
    await stub.close();
  });
});
