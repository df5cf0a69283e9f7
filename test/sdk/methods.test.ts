import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { session } from './support/session.ts';

describe('a client as a value', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('is no promise: awaiting it, or one of its areas, gives it back', async () => {
    const client = await the.open();
    const resolved = (value: unknown): Promise<unknown> => Promise.resolve(value);
    expect(await resolved(client)).to.equal(client);
    expect(await resolved(client.documents)).to.be.a('function');
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

  it('cannot be written to', async () => {
    const client = (await the.open()) as unknown as Record<string, unknown>;
    expect(() => (client['whoami'] = 1)).to.throw(TypeError);
    expect(() => (client['close'] = 1)).to.throw(TypeError);
  });
});
