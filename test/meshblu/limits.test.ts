import { expect } from 'chai';
import { connectAs, register } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

onBothStores('Meshblu rate limit (reference, 7)', (registries) => {
  it('the call over the limit is answered, told and closed; another device does not notice', async () => {
    const { url } = await registries.start({ callsPerMinute: 20 });
    const [a, b] = [await connectAs(url, await register(url)), await connectAs(url, await register(url))];
    const answers: unknown[] = [];
    while (a.socket.connected && answers.length < 60) {
      const answer = await a.ask<unknown>('status', {}).catch((error: unknown) => error);
      answers.push(answer);
      if ((answer as { error?: string }).error !== undefined) break;
    }
    expect(answers.at(-1)).to.deep.equal({ error: 'Too Many Requests' });
    await until(() => a.socket.disconnected);
    expect(a.got('ratelimited')).to.deep.equal([{ code: 429, message: 'Too Many Requests' }]);
    expect(a.got('notReady')[0]).to.deep.equal({
      api: 'connect',
      status: 429,
      uuid: a.uuid,
      token: a.token,
      error: { message: 'Too Many Requests', code: 429 },
    });
    expect(await b.ask('status', {})).to.deep.equal({ meshblu: 'online' });
    const headers = { authorization: `Basic ${Buffer.from(`${a.uuid}:${a.token}`).toString('base64')}` };
    const refused = await fetch(`${url}/v2/whoami`, { headers });
    expect([200, 429]).to.include(refused.status);
    b.close();
  });
});
