import { createRegistry, type Registry } from '@rollcall/server';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, startChromium } from '../sdk/support/page.ts';
import { until } from '../support/until.ts';

const reason = chromiumPath === undefined ? ' (skipped: no Chromium here, set CHROMIUM_PATH)' : '';

describe(`the documents to read and to try${reason}`, function () {
  this.timeout(30_000);
  let registry: Registry;
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  const complaints: string[] = [];

  before(async function () {
    if (chromiumPath === undefined) this.skip();
    [registry, browser] = await Promise.all([
      createRegistry({ dataDir: ':memory:', port: 0, logLevel: 'error' }),
      startChromium(),
    ]);
    page = await browser.newPage();
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${registry.url}/docs`);
    await page.getByText('One device by uuid.').first().waitFor({ state: 'attached' });
  });
  after(async () => {
    await browser?.close();
    await registry?.close();
  });

  it('show every area, and break no rule of the content security policy', async () => {
    const tags = await page.locator('.opblock-tag').allTextContents();
    expect(tags.map((text) => text.trim())).to.include.members(['meshblu', 'users', 'roles', 'session', 'pages']);
    expect(complaints).to.deep.equal([]);
  });

  it('make calls from the page', async () => {
    await page.locator('#operations-meshblu-status').click();
    await page.getByRole('button', { name: 'Try it out' }).click();
    await page.getByRole('button', { name: 'Execute' }).click();
    await until(
      async () => (await page.locator('.live-responses-table').first().textContent())?.includes('"online": true'),
      10_000,
    );
    expect(complaints).to.deep.equal([]);
  });

  it('ask nobody but the registry', () => {
    const elsewhere = asked.filter((url) => !url.startsWith(registry.url) && !url.startsWith('data:'));
    expect(asked.length).to.be.above(5);
    expect(elsewhere).to.deep.equal([]);
  });
});
