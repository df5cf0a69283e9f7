import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { connectAs, register, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

/** Rows of docs/work-bounds.md with a number, and what sends something of that size: answers undefined, or how it was refused. */
type Send = (size: number, client: MeshbluSocket) => Promise<string | undefined>;

const refusal = (answer: unknown): string | undefined => {
  const { error, code } = (answer ?? {}) as { error?: unknown; code?: string };
  if (code !== undefined || error === undefined) return code;
  // Meshblu's own calls are answered with the phrase of the status.
  return error === 'Unprocessable Entity' ? 'invalid-input' : JSON.stringify(error);
};
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const padded = (input: Readonly<Record<string, unknown>>, bytes: number, extra = 0): unknown => ({
  ...input,
  text: 'x'.repeat(bytes - JSON.stringify({ ...input, text: '' }).length - extra),
});
const ask = async (client: MeshbluSocket, event: string, input: unknown): Promise<string | undefined> =>
  refusal(await client.ask(event, input, {}));

const sends: Readonly<Record<string, Send>> = {
  'bytes of a message to devices': (size, client) => ask(client, 'message', padded({ devices: [client.uuid] }, size)),
  'bytes of any other call': async (size, client) => {
    const code = await ask(client, 'live:open', padded({}, size, size > 131_072 ? 0 : '42999["live:open",,{}]'.length));
    // What is read is refused by the operation, for it takes no such field.
    return code === 'too-large' ? code : undefined;
  },
  'levels of an argument': (size, client) => ask(client, 'message', { devices: [client.uuid], payload: nested(size - 1) }),
  'addressees of a message': (size, client) =>
    ask(client, 'message', {
      devices: Array.from({ length: size }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
    }),
  "characters of a message's topic": (size, client) =>
    ask(client, 'message', { devices: [client.uuid], topic: 'x'.repeat(size) }),
  'levels of a stored value': (size, client) => ask(client, 'update', { uuid: client.uuid, value: nested(size) }),
  'values in a list of a query': (size, client) =>
    ask(client, 'devices', { n: { $in: Array.from({ length: size }, (_, n) => n) } }),
  'conditions of a query': (size, client) =>
    ask(client, 'devices', Object.fromEntries(Array.from({ length: size }, (_, n) => [`p${n}`, n]))),
  'live queries of a connection': async (size, client) => {
    const codes = new Set<string | undefined>();
    for (let n = 0; n < size; n += 1) codes.add(await ask(client, 'live:open', { filter: { n } }));
    return [...codes].find((code) => code !== undefined);
  },
};

const rows = readFileSync(new URL('../../../docs/work-bounds.md', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, , bound = '']) => /^\d+$/.test(bound))
  .map(([, what = '', bound = '', , beyond = '']) => ({ what, bound: Number(bound), beyond: beyond.replaceAll('`', '') }));

onBothStores('the bounds of work', (registries) => {
  let url = '';
  before(async () => ({ url } = await registries.start()));

  it('are tried one by one, as the document names them (S5)', () => {
    expect(rows.map(({ what }) => what)).to.have.members(Object.keys(sends));
  });

  for (const { what, bound, beyond } of rows) {
    it(`take ${bound} ${what} and not one more, and others are served meanwhile (S1, S4, S5)`, async () => {
      const send = sends[what] as Send;
      const other = await connectAs(url, await register(url));
      for (const [size, expected] of [
        [bound, undefined],
        [bound + 1, beyond],
      ] as const) {
        const client = await connectAs(url, await register(url));
        const [found, status] = await Promise.all([send(size, client), other.ask('status', {})]);
        client.close();
        expect(found, `${size}`).to.equal(expected);
        expect(status).to.have.property('meshblu', 'online');
      }
      other.close();
    });
  }
});
