import { gzipSync } from 'node:zlib';
import type * as client from '@rollcall/client';
import { createRegistry } from '@rollcall/server';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { bundle } from './support/bundle.ts';
import { chromiumPath, servePage, startChromium } from './support/page.ts';
import type { Session } from './support/session.ts';
import { session } from './support/session.ts';
import { silence } from './support/stub.ts';
import { until } from '../support/until.ts';

/** The client as the page's script has put it there. */
declare const rollcall: typeof client;

describe('the bundled client', () => {
  it('is at most 21 kB gzip, and has neither the contract nor its schemas in it', async () => {
    const { text, files } = await bundle(`export { connect, RegistryError } from '@rollcall/client';`);
    expect(gzipSync(text, { level: 9 }).length).to.be.below(21_000);
    const contract = files.filter((file) => /typebox|contract\//.test(file));
    expect(contract.map((file) => file.replace(/.*contract\//, ''))).to.deep.equal(['errors.js']);
  });
});

const reason = chromiumPath === undefined ? ' (skipped: no Chromium here, set CHROMIUM_PATH)' : '';

describe(`the client in a page${reason}`, function () {
  this.timeout(30_000);
  let browser: Browser;
  let site: Awaited<ReturnType<typeof servePage>>;
  let page: Page;
  let the: Session;

  before(async function () {
    if (chromiumPath === undefined) this.skip();
    [browser, site] = await Promise.all([startChromium(), servePage()]);
  });
  after(async () => {
    site?.close();
    await browser?.close();
  });
  beforeEach(async () => {
    the = await session();
    page = await browser.newPage();
    await page.goto(site.url);
    await page.waitForFunction(() => 'rollcall' in globalThis);
  });
  afterEach(async () => {
    await page?.close();
    await the?.close();
  });

  it('registers, calls and is refused as in Node', async () => {
    the.stub.answer = ({ event, input }) =>
      event === 'device' ? { error: 'Forbidden', status: 403, code: 'forbidden' } : { ...input, uuid: 'new-device', status: 200 };
    const seen = await page.evaluate(async (url) => {
      const { connect, RegistryError } = rollcall;
      const device = await connect(url, {});
      const { status } = await device.update({ name: 'hall' });
      const error = await device.device({ uuid: 'fan' }).catch((reason: unknown) => reason);
      const isOurs = error instanceof RegistryError && error.code;
      device.close();
      return { credentials: device.credentials, status, isOurs, state: device.state };
    }, the.stub.url);
    expect(seen).to.deep.equal({
      credentials: { uuid: 'new-device', token: 'new-token' },
      status: 200,
      isOurs: 'forbidden',
      state: 'closed',
    });
    expect(the.stub.calls[0]!.options.reqId).to.match(/^[0-9a-f]{32}:1$/);
  });

  it('sends a call whose answer was lost again, and hears events', async () => {
    the.stub.answer = ({ connection, input }) => (connection === 0 ? silence : input);
    const result = page.evaluate(async (url) => {
      const device = await rollcall.connect(url, { uuid: 'lamp', token: 'secret' }, { backoff: { minMs: 5, maxMs: 20 } });
      const heard = new Promise((resolve) => device.on('config', ({ uuid }) => resolve(uuid)));
      const status = await device.call('update', { name: 'hall' });
      return { status, heard: await heard };
    }, the.stub.url);
    await until(() => the.stub.calls.length === 1);
    the.stub.cut();
    await until(() => the.stub.calls.length === 2);
    the.stub.send('config', { uuid: 'lamp' }, {});
    expect(await result).to.deep.equal({ status: { name: 'hall' }, heard: 'lamp' });
    expect(the.stub.calls[1]!.options.again).to.equal(1);
  });

  it('works with a registry that allows the origin of the page, and with no other', async () => {
    const options = { port: 0, dataDir: ':memory:', logLevel: 'silent' } as const;
    const [open, closed] = [await createRegistry({ ...options, origins: [site.url] }), await createRegistry(options)];
    try {
      const seen = await page.evaluate(
        async ([here, there]) => {
          const device = await rollcall.connect(here, {});
          await device.update({ name: 'hall' });
          const { name } = await device.whoami();
          const code = await rollcall.connect(there, {}, { timeoutMs: 300 }).then(
            () => 'connected',
            (error: client.RegistryError) => error.code,
          );
          device.close();
          return { name, code };
        },
        [open.url, closed.url] as const,
      );
      expect(seen).to.deep.equal({ name: 'hall', code: 'timeout' });
    } finally {
      await Promise.all([open.close(), closed.close()]);
    }
  });

  it('can be looked at in the console, awaited and serialised', async () => {
    const printed: string[] = [];
    page.on('console', (message) => printed.push(message.text()));
    const text = await page.evaluate(async (url) => {
      const device = await Promise.resolve(await rollcall.connect(url, { uuid: 'lamp', token: 'secret' }));
      console.log(device);
      const { documents } = device;
      console.log(documents);
      device.close();
      return JSON.stringify({ device });
    }, the.stub.url);
    expect(text).to.equal('{"device":{}}');
    await until(() => printed.length === 2);
    expect(printed.join()).not.to.include('secret');
    expect(the.stub.calls).to.have.length(0);
  });
});
