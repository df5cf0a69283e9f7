import { expect } from 'chai';
import { repairText, toAscii } from '@rollcall/server/internal/transports/socketio/legacy';
import fc from 'fast-check';
import { until } from '../../sdk/support/until.ts';
import { call, client, closeClients, next } from './clients.ts';
import type { Served } from './serve.ts';
import { serve } from './serve.ts';

const texts = ['höwdy ✓', '😀 𝕏', 'é', 'Ã¼', '日本語', '\u2028\u0000\u007f', 'ÿþ', '"\\\u00e9"'];

describe('non-ASCII text of legacy clients', () => {
  let served: Served;
  before(async () => (served = await serve()));
  after(() => served.close());
  afterEach(closeClients);

  for (const version of ['1.7.4', '2.5.0'] as const) {
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      // "Ã¼" could be a damaged "ü"; only a 1.x client damages text, so a 2.x client's is repaired wrongly while it polls.
      const sent = version === '2.5.0' && transports[0] === 'polling' ? texts.filter((text) => text !== 'Ã¼') : texts;

      it(`survives both ways with ${version} over ${transports.join(', then ')}`, async () => {
        const one = client(version, served.url, { transports });
        await next(one, 'connect');
        const early = await call<string[]>(one, 'echo', sent);
        await until(() => one.io.engine.transport.name === transports.at(-1));
        one.emit('say', { key: sent });
        expect(early).to.deep.equal(sent);
        expect(await next(one, 'said')).to.deep.equal({ key: sent });
        expect(one.connected).to.equal(true);
      });
    }
  }

  it('reaches clients of all versions from one broadcast', async () => {
    const old = [client('1.7.4', served.url, { transports: ['polling'] }), client('2.5.0', served.url)];
    const all = [...old, client('4.8', served.url)];
    await Promise.all(all.map((each) => next(each, 'connect')));
    const heard = Promise.all(all.map((each) => next(each, 'news')));
    served.engines.io.emit('news', texts);
    served.engines.legacy?.emit('news', texts);
    expect(await heard).to.deep.equal([texts, texts, texts]);
  });
});

describe('the repair of text from polling', () => {
  it('brings back what a 1.x client meant, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const damaged = Buffer.from(text, 'utf8').toString('latin1');
        expect(repairText(damaged)).to.equal(text);
      }),
    );
  });

  it('leaves alone what cannot have been damaged that way', () => {
    for (const text of ['plain', 'é', 'ÿþ', 'höwdy ✓', 'Ã¼ ✓']) expect(repairText(text)).to.equal(text);
  });
});

describe('the ASCII form of what goes out', () => {
  it('is ASCII and means the same', () => {
    fc.assert(
      fc.property(fc.json(), fc.string({ unit: 'binary' }), (json, text) => {
        const both = JSON.stringify([JSON.parse(json) as unknown, text]);
        expect(toAscii(both)).to.match(/^[\0-\x7f]*$/);
        expect(JSON.parse(toAscii(both))).to.deep.equal(JSON.parse(both));
      }),
    );
  });
});
