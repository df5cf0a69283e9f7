import { expect } from 'chai';
import { connectAs, register, v2, type Made, type MeshbluSocket } from '../../support/meshblu.ts';
import { onBothStores } from '../../support/registries.ts';
import { until } from '../../support/until.ts';

/** What a stream has brought so far. */
interface Stream {
  readonly status: number;
  readonly headers: Headers;
  readonly events: readonly { readonly event: string; readonly data: Record<string, unknown> }[];
  readonly text: () => string;
  readonly ended: () => boolean;
  close(): void;
}

const authorization = ({ uuid, token }: Made): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${uuid}:${token}`).toString('base64')}`,
});

const openStream = async (url: string, query: Record<string, string>, headers: Record<string, string>): Promise<Stream> => {
  const control = new AbortController();
  const response = await fetch(`${url}/live?${String(new URLSearchParams(query))}`, { headers, signal: control.signal });
  const events: { event: string; data: Record<string, unknown> }[] = [];
  let text = '';
  let ended = false;
  void (async () => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      const piece = decoder.decode(chunk, { stream: true });
      text += piece;
      const parts = (rest + piece).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
        if (event !== undefined) events.push({ event, data: JSON.parse(data ?? '') as Record<string, unknown> });
      }
    }
  })()
    .catch(() => undefined)
    .finally(() => (ended = true));
  return {
    status: response.status,
    headers: response.headers,
    events,
    text: () => text,
    ended: () => ended,
    close: () => control.abort(),
  };
};

onBothStores('live queries over HTTP', ({ start }) => {
  let url = '';
  let owner: MeshbluSocket;
  before(async () => {
    ({ url } = await start({ origins: ['https://dashboard.example'] }));
    owner = await connectAs(url, await register(url, v2()));
  });
  after(() => owner.close());

  const lamp = (type: string, name: string, viewers: readonly string[] = []) =>
    register(url, v2({ 'discover.view': [owner.uuid, ...viewers], 'configure.update': [owner.uuid] }, { type, name }));

  it('are server-sent events: the first result, then each change of it', async () => {
    const viewer = await register(url, v2());
    const a = await lamp('sse', 'a', [viewer.uuid]);
    const query = { filter: '{"type":"sse"}', sort: '{"name":1}', limit: '2' };
    const stream = await openStream(url, query, authorization(viewer));
    expect(stream.status).to.equal(200);
    expect(stream.headers.get('content-type')).to.equal('text/event-stream; charset=utf-8');
    await until(() => stream.events.length === 1);
    const [{ event, data }] = stream.events as [Stream['events'][0]];
    expect(event).to.equal('live:opened');
    expect((data['rows'] as { uuid: string }[]).map(({ uuid }) => uuid)).to.deep.equal([a.uuid]);
    await lamp('sse', 'b', [viewer.uuid]);
    await owner.ask('unregister', { uuid: a.uuid });
    await until(() => stream.events.length === 3);
    expect(stream.events.slice(1).map((one) => [one.event, one.data['seq'], one.data['steps']])).to.deep.include.members([
      ['live:changed', Number(data['seq']) + 2, [{ type: 'leave', previousIndex: 0 }]],
    ]);
    stream.close();
  });

  it('tell nothing but themselves, and let allowed pages read them', async () => {
    const viewer = await register(url, v2({ 'message.from': [owner.uuid] }));
    const headers = { ...authorization(viewer), origin: 'https://dashboard.example' };
    const stream = await openStream(url, {}, headers);
    expect(stream.headers.get('access-control-allow-origin')).to.equal('https://dashboard.example');
    await owner.ask('message', { devices: [viewer.uuid], payload: 'secret words' });
    const own = await connectAs(url, viewer);
    await own.ask('update', { color: 'blue' });
    await until(() => stream.text().includes('"color":"blue"'));
    expect(stream.events.map(({ event }) => event)).to.deep.equal(['live:opened', 'live:changed']);
    expect(stream.text()).to.not.include('secret words');
    own.close();
    stream.close();
  });

  it('end with the credential', async () => {
    const viewer = await register(url, v2());
    const own = await connectAs(url, viewer);
    const { token } = await own.ask<Made>('generateAndStoreToken', { uuid: viewer.uuid });
    const stream = await openStream(url, {}, authorization({ ...viewer, token }));
    await until(() => stream.events.length === 1);
    await own.ask('revokeToken', { uuid: viewer.uuid, token });
    await until(() => stream.ended());
    expect(stream.events.at(-1)).to.deep.include({ event: 'closed' });
    expect(stream.events.at(-1)?.data).to.include({ code: 'unauthenticated' });
    own.close();
  });

  it('refuse strangers, and input that devices would refuse', async () => {
    const viewer = await register(url, v2());
    const status = async (query: Record<string, string>, headers: Record<string, string>): Promise<number> =>
      (await fetch(`${url}/live?${String(new URLSearchParams(query))}`, { headers })).status;
    expect(await status({}, {})).to.equal(401);
    expect(await status({}, authorization({ ...viewer, token: 'wrong' }))).to.equal(401);
    const deep = `${'{"a":'.repeat(60)}1${'}'.repeat(60)}`;
    for (const query of [
      { filter: 'no json' },
      { filter: '[]' },
      { filter: '"text"' },
      { filter: '{"$where":"1"}' },
      { filter: '{"__proto__":1}' },
      { filter: deep },
      { sort: '{"token":1}' },
      { limit: '0' },
      { limit: '1e9' },
    ]) {
      expect(await status(query as Record<string, string>, authorization(viewer)), JSON.stringify(query)).to.equal(422);
    }
    const twice = await fetch(`${url}/live?filter={}&filter={}`, { headers: authorization(viewer) });
    expect(twice.status).to.equal(422);
  });

  it('are 32 for one device at most, and make room when they close', async () => {
    const viewer = await register(url, v2());
    const streams = await Promise.all(Array.from({ length: 32 }, () => openStream(url, {}, authorization(viewer))));
    const more = await openStream(url, {}, authorization(viewer));
    expect(more.status).to.equal(503);
    for (const stream of streams) stream.close();
    await until(async () => {
      const again = await openStream(url, {}, authorization(viewer));
      again.close();
      return again.status === 200;
    });
  });
});
