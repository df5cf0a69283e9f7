import { request } from 'node:http';
import { expect } from 'chai';
import { handshakePath } from '@rollcall/server/internal/transports/socketio/engines';
import type { HandshakePath } from '@rollcall/server/internal/transports/socketio/engines';
import { call, client, closeClients, next } from './clients.ts';
import { rawClient } from './raw.ts';
import type { Served } from './serve.ts';
import { serve } from './serve.ts';

const websocket = (eio: string) => `/socket.io/?EIO=${eio}&transport=websocket`;

/** Status line of a handshake by websocket. */
const handshake = async ({ port }: Served, path: string, headers: Record<string, string> = {}): Promise<string> => {
  const raw = await rawClient(port, path, { headers });
  raw.destroy();
  return raw.status;
};

const get = async ({ url }: Served, path: string, init?: RequestInit) => {
  const response = await fetch(url + path, init);
  const text = await response.text();
  return { status: response.status, text, headers: response.headers };
};

/** `fetch` keeps some headers to itself. */
const getWith = ({ port }: Served, path: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('error', reject).end();
  });

describe('the engines on one port', () => {
  let served: Served;
  before(async () => (served = await serve()));
  after(() => served.close());
  afterEach(closeClients);

  it('serves socket.io-client 4.8, 2.5.0 and 1.7.4 and HTTP at the same time', async () => {
    const clients = [
      client('4.8', served.url),
      client('2.5.0', served.url, { transports: ['polling', 'websocket'] }),
      client('1.7.4', served.url, { transports: ['polling', 'websocket'] }),
    ];
    await Promise.all(clients.map((each) => next(each, 'connect')));
    const answers = await Promise.all([
      ...clients.map((each) => call(each, 'echo', { x: 1 })),
      get(served, '/devices').then(({ text }) => text),
    ]);
    expect(answers).to.deep.equal([{ x: 1 }, { x: 1 }, { x: 1 }, 'rest']);
    expect(served.engines.stats().connections).to.equal(3);
  });

  it('leaves other paths to HTTP and other upgrades to the caller', async () => {
    expect((await get(served, '/socket.iox?EIO=4')).text).to.equal('rest');
    expect(await handshake(served, '/mqtt')).to.equal('');
  });

  for (const eio of ['', '1', '2', '5', '4x', '__proto__']) {
    it(`refuses Engine.IO version "${eio}" at once`, async () => {
      const { status, text } = await get(served, `/socket.io/?EIO=${eio}&transport=polling`);
      expect([status, JSON.parse(text)]).to.deep.equal([400, { code: 5, message: 'Unsupported protocol version' }]);
      expect(await handshake(served, websocket(eio))).to.equal('HTTP/1.1 400 Bad Request');
    });
  }

  it('offers no polling, no session by number and no other path on the main engine', async () => {
    expect(JSON.parse((await get(served, '/socket.io/?EIO=4&transport=polling')).text)).to.deep.equal({
      code: 0,
      message: 'Transport unknown',
    });
    expect(await handshake(served, `${websocket('4')}&sid=abc`)).to.equal('HTTP/1.1 400 Bad Request');
    expect(await handshake(served, '/socket.io/v2/?EIO=4&transport=websocket')).to.equal('HTTP/1.1 400 Bad Request');
  });

  it('offers no JSONP and no foreign path on the legacy engine', async () => {
    expect((await get(served, '/socket.io/?EIO=3&transport=polling&j=0')).status).to.equal(400);
    expect((await get(served, '/socket.io/other/?EIO=3&transport=polling')).status).to.equal(400);
  });

  it('survives a target that is hardly a URL', async () => {
    for (const path of [
      '/socket.io/?EIO=4&EIO=3&transport=%ff',
      '/socket.io/?%',
      '/socket.io/\\..\\?EIO=3&transport=polling&sid=__proto__',
    ]) {
      expect(await getWith(served, path, {})).to.equal(400);
    }
  });

  for (const [path, expected] of [
    ['/socket.io/', 'main'],
    ['/socket.io/v2', 'v2'],
    ['/socket.io/v1/6b7c', { firehose: '6b7c' }],
  ] as const) {
    for (const transport of ['polling', 'websocket']) {
      it(`tells the path ${path} of a legacy client over ${transport}`, async () => {
        const seen = new Promise<HandshakePath>((resolve) =>
          served.engines.legacy?.once('connection', (socket) => resolve(handshakePath(socket))),
        );
        client('1.7.4', served.url, { path, transports: [transport] });
        expect(await seen).to.deep.equal(expected);
      });
    }
  }
});

describe('the main engine alone', () => {
  let served: Served;
  before(async () => (served = await serve({ legacy: false, origins: ['https://app.example'] })));
  after(() => served.close());

  it('refuses Engine.IO 3 over HTTP and websocket with code 5', async () => {
    const { status, text } = await get(served, '/socket.io/?EIO=3&transport=polling');
    expect([status, JSON.parse(text)]).to.deep.equal([400, { code: 5, message: 'Unsupported protocol version' }]);
    expect(await handshake(served, websocket('3'))).to.equal('HTTP/1.1 400 Bad Request');
  });

  it('lets in programs, the same origin and listed origins, and nobody else', async () => {
    const statusOf = (headers: Record<string, string>) => handshake(served, websocket('4'), headers);
    expect(await statusOf({})).to.contain('101');
    expect(await statusOf({ Origin: served.url })).to.contain('101');
    expect(await statusOf({ Origin: 'https://app.example' })).to.contain('101');
    const foreign = [
      'https://app.example.evil',
      'http://app.example',
      'https://app.example:8443',
      'null',
      '',
      'https://app.example/',
      `${served.url}/`,
      'HTTPS://APP.EXAMPLE',
    ];
    for (const Origin of foreign) expect(await statusOf({ Origin }), Origin).to.equal('HTTP/1.1 403 Forbidden');
  });
});

describe('origins on the legacy engine', () => {
  const polling = '/socket.io/?EIO=3&transport=polling';

  it('allows programs and the same origin alone if none is named, over polling and websocket (S9)', async () => {
    const served = await serve();
    for (const headers of [{}, { origin: served.url }]) {
      expect(await getWith(served, polling, headers)).to.equal(200);
      expect(await handshake(served, websocket('3'), headers)).to.contain('101');
    }
    for (const origin of ['https://old.example', 'null', `${served.url}/`]) {
      expect(await getWith(served, polling, { origin })).to.equal(403);
      expect(await handshake(served, websocket('3'), { origin })).to.equal('HTTP/1.1 403 Forbidden');
    }
    await served.close();
  });

  it('lets a page of a named origin read the answer', async () => {
    const served = await serve({ origins: ['https://old.example'] });
    const { status, headers } = await get(served, polling, { headers: { origin: 'https://old.example' } });
    expect(status).to.equal(200);
    expect(headers.get('access-control-allow-origin')).to.equal('https://old.example');
    expect(headers.get('access-control-allow-credentials')).to.equal('true');
    const preflight = await get(served, polling, {
      method: 'OPTIONS',
      headers: { origin: 'https://old.example', 'access-control-request-headers': 'x-a' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).to.deep.equal([204, 'x-a']);
    await served.close();
  });

  it('allows only those named, on polling, websocket and every later request of a session', async () => {
    const served = await serve({ origins: ['https://old.example'] });
    expect(await getWith(served, polling, { origin: 'https://old.example' })).to.equal(200);
    expect(await getWith(served, polling, { origin: 'https://evil.example' })).to.equal(403);
    expect(await handshake(served, websocket('3'), { origin: 'https://evil.example' })).to.equal('HTTP/1.1 403 Forbidden');
    const { sid } = JSON.parse((await get(served, polling)).text.replace(/^\d+:0/, '').replace(/}.*$/s, '}')) as { sid: string };
    expect(await getWith(served, `${polling}&sid=${sid}`, { origin: 'https://evil.example' })).to.equal(403);
    await served.close();
  });
});
