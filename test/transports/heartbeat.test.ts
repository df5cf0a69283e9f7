import { once } from 'node:events';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { onBothStores } from '../support/registries.ts';

/** The heartbeat that an engine states in its first packet. */
const heartbeatOf = async (url: string, version: 3 | 4): Promise<readonly number[]> => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=${version}&transport=websocket`);
  try {
    const [data] = (await once(socket, 'message')) as [Buffer];
    const { pingInterval, pingTimeout } = JSON.parse(data.toString().slice(1)) as Record<string, number>;
    return [pingInterval ?? 0, pingTimeout ?? 0];
  } finally {
    socket.terminate();
  }
};

/** How long an idle connection stays, as the answer to a request states it. */
const keepAliveOf = async (url: string): Promise<string | null> => {
  const response = await fetch(`${url}/healthz`);
  await response.text();
  return response.headers.get('keep-alive');
};

onBothStores('Heartbeats and idle connections', (registries) => {
  it('pings the main engine after 4 s and gives clients of Engine.IO 3 25 s and 60 s (V8)', async () => {
    const { url } = await registries.start({ legacy: true });
    expect(await heartbeatOf(url, 4)).to.deep.equal([4_000, 3_500]);
    expect(await heartbeatOf(url, 3)).to.deep.equal([25_000, 60_000]);
  });

  it('keeps an idle HTTP connection for 65 s (V8)', async () => {
    const { url } = await registries.start();
    expect(await keepAliveOf(url)).to.equal('timeout=65');
  });

  it('takes other times from the settings (V8)', async () => {
    const { url } = await registries.start({
      legacy: true,
      pingIntervalMs: 7_000,
      pingTimeoutMs: 6_000,
      legacyPingIntervalMs: 30_000,
      legacyPingTimeoutMs: 45_000,
      keepAliveMs: 120_000,
    });
    expect(await heartbeatOf(url, 4)).to.deep.equal([7_000, 6_000]);
    expect(await heartbeatOf(url, 3)).to.deep.equal([30_000, 45_000]);
    expect(await keepAliveOf(url)).to.equal('timeout=120');
  });
});
