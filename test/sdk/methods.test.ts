import { inspect } from 'node:util';
import * as contract from '@rollcall/client/contract';
import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { session } from './support/session.ts';
import { until } from '../support/until.ts';

describe('a client as a value', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('is no promise: awaiting it, or one of its areas, gives it back', async () => {
    const client = await the.open();
    const resolved = (value: unknown): Promise<unknown> => Promise.resolve(value);
    expect(await resolved(client)).to.equal(client);
    expect(((await resolved(client.documents)) as typeof client.documents).update).to.be.a('function');
    expect(the.stub.calls).to.have.length(0);
  });

  it('is printed as who it is, without its token', async () => {
    const client = await the.open();
    expect(inspect(client)).to.equal('Client lamp (ready)');
    expect(inspect({ client }, { showHidden: false, depth: 5 })).not.to.include('secret');
    expect(JSON.stringify({ client })).to.equal('{"client":{}}');
    inspect(client.documents);
    inspect(client.documents.update);
    expect(the.stub.calls).to.have.length(0);
  });

  it('has a method for each name, and nothing for what is no name', async () => {
    const client = (await the.open()) as unknown as Record<string, Record<string, unknown>>;
    expect(client['whoami']).to.be.a('function');
    expect(client['users']?.['create']).to.be.a('function');
    for (const name of ['then', 'toJSON', '$$typeof', '@@iterator', '0', '', 'a-b'] as const) {
      expect(client[name], name).to.equal(undefined);
      expect(client['users']?.[name], name).to.equal(undefined);
    }
    expect(Reflect.get(client, Symbol.iterator)).to.equal(undefined);
    expect(Reflect.get(client, Symbol.toPrimitive)).to.equal(undefined);
  });

  it('has every operation of the contract, and no other name sends a call (D8)', async () => {
    const client = (await the.open()) as unknown as Record<string, Record<string, unknown> | undefined>;
    const rows = Object.entries(contract).flatMap(([area, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value as Record<string, unknown>)
            .filter(([, row]) => typeof row === 'object' && row !== null && 'access' in row && 'http' in row)
            .map(([verb]) => [area, verb] as const)
        : [],
    );
    expect(rows.length).to.be.above(80);
    for (const [area, verb] of rows) {
      if (area === 'live') continue;
      expect(area === 'meshblu' ? client[verb] : client[area]?.[verb], `${area}:${verb}`).to.be.a('function');
    }
    const others = [
      'emit',
      'addListener',
      'whoAmI',
      'user',
      'constructor2',
      'subscribeAll',
      'disconnect',
      'then',
      'catch',
      'finally',
      'length2',
    ];
    for (const name of others) {
      expect(client[name], name).to.equal(undefined);
      expect(client['users']?.[name], `users.${name}`).to.equal(undefined);
    }
    expect(the.stub.calls).to.have.length(0);
  });

  it('has once and off beside on (D8)', async () => {
    const client = await the.open();
    const heard: string[] = [];
    const always = (device: { readonly name?: unknown }): void => void heard.push(`always ${String(device.name)}`);
    const first = (device: { readonly name?: unknown }): void => void heard.push(`once ${String(device.name)}`);
    client.on('config', always as never);
    client.once('config', first as never);
    const given = client.once('config', first as never);
    given();
    the.stub.send('config', { uuid: 'lamp', name: 'a', meshblu: { rev: 1 } }, {});
    the.stub.send('config', { uuid: 'lamp', name: 'b', meshblu: { rev: 2 } }, {});
    await until(() => heard.length === 3);
    client.off('config', always as never);
    the.stub.send('config', { uuid: 'lamp', name: 'c', meshblu: { rev: 3 } }, {});
    await client.whoami();
    expect(heard).to.deep.equal(['always a', 'once a', 'always b']);
  });

  it('cannot be written to', async () => {
    const client = (await the.open()) as unknown as Record<string, unknown>;
    expect(() => (client['whoami'] = 1)).to.throw(TypeError);
    expect(() => (client['close'] = 1)).to.throw(TypeError);
  });
});
