import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { lamp, refusal, refusalCode, session } from './support/session.ts';
import { failure, silence } from './support/stub.ts';
import { until } from '../support/until.ts';

describe('a call of the client', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('is one event with input and options, named as its row', async () => {
    const client = await the.open();
    await client.update({ name: 'hall' });
    await client.documents.update({ uuid: 'lamp', update: { $set: { name: 'hall' } } }, { rev: 3, as: 'fan' });
    expect(the.stub.calls.map(({ event, input }) => [event, input])).to.deep.equal([
      ['update', { name: 'hall' }],
      ['documents:update', { uuid: 'lamp', update: { $set: { name: 'hall' } } }],
    ]);
    const [instance] = the.stub.calls[0]!.options.reqId.split(':');
    expect(instance).to.match(/^[0-9a-f]{32}$/);
    expect(the.stub.calls.map(({ options }) => options)).to.deep.equal([
      { reqId: `${instance}:1` },
      { reqId: `${instance}:2`, rev: 3, as: 'fan' },
    ]);
  });

  it('sends an empty object where there is no input', async () => {
    const client = await the.open();
    await client.whoami();
    expect(the.stub.calls[0]!.input).to.deep.equal({});
  });

  it('is of another instance in every client', async () => {
    const [one, other] = [await the.open(), await the.open()];
    expect(one.reqId().split(':')[0]).not.to.equal(other.reqId().split(':')[0]);
  });

  it('is resolved with the bare answer, also if that has a property called error', async () => {
    const client = await the.open();
    the.stub.answer = () => ({ uuid: 'lamp', error: 'burnt out' });
    expect(await client.whoami()).to.deep.equal({ uuid: 'lamp', error: 'burnt out' });
  });

  it('is rejected with code, text, details and id of the failure', async () => {
    const client = await the.open();
    const details = [{ path: '/uuid', rule: 'type', message: 'must be text' }];
    the.stub.answer = () => ({ error: 'Bad', status: 422, code: 'invalid-input', details, id: 'log-1' });
    const error = await refusal(client.whoami());
    expect(error).to.include({ name: 'RegistryError', code: 'invalid-input', message: 'Bad', status: 422, id: 'log-1' });
    expect(error.details).to.deep.equal(details);
  });

  for (const [status, code] of [
    [403, 'forbidden'],
    [429, 'rate'],
    [418, 'internal'],
  ] as const)
    it(`reads an unknown code with status ${status} as ${code}`, async () => {
      const client = await the.open();
      the.stub.answer = () => failure(status, 'toString');
      expect(await refusalCode(client.whoami())).to.equal(code);
    });

  it('gets ten minutes where it takes long by its nature, whatever the default is (V4)', async () => {
    const client = await the.open(lamp, { callTimeoutMs: 20 });
    the.stub.answer = ({ event }) => (event === 'users:createBatch' ? silence : { uuid: 'lamp' });
    let ended = false;
    const batch = client.users.createBatch({ users: [{ username: 'a', password: 'secret1' }] }).then(
      () => (ended = true),
      () => (ended = true),
    );
    await until(() => the.stub.calls.some(({ event }) => event === 'users:createBatch'));
    the.stub.answer = () => silence;
    expect(await refusalCode(client.whoami())).to.equal('timeout');
    expect(ended).to.equal(false);
    await the.close();
    await batch;
  });

  it('is rejected with timeout when no answer comes in time', async () => {
    const client = await the.open();
    the.stub.answer = () => silence;
    expect(await refusalCode(client.whoami({}, { timeoutMs: 20 }))).to.equal('timeout');
  });

  it('takes its time limit from connect unless it names one', async () => {
    const client = await the.open(lamp, { callTimeoutMs: 20 });
    the.stub.answer = () => silence;
    expect(await refusalCode(client.whoami())).to.equal('timeout');
  });

  it('is rejected with aborted when its signal says so, and is not sent if it already has', async () => {
    const client = await the.open();
    the.stub.answer = () => silence;
    const controller = new AbortController();
    const call = client.whoami({}, { signal: controller.signal });
    await until(() => the.stub.calls.length === 1);
    controller.abort('enough');
    expect(await refusal(call)).to.include({ code: 'aborted', cause: 'enough' });
    expect(await refusalCode(client.whoami({}, { signal: controller.signal }))).to.equal('aborted');
    expect(the.stub.calls).to.have.length(1);
  });

  it('carries the input as it was when the call was made', async () => {
    const client = await the.open();
    const input = { name: 'hall' };
    await the.lose(client);
    const call = client.update(input);
    input.name = 'attic';
    await call;
    expect(the.stub.calls[0]!.input).to.deep.equal({ name: 'hall' });
  });

  it('refuses what is no JSON, and what is too large, without sending it', async () => {
    const client = await the.open();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(await refusalCode(client.update(circle))).to.equal('invalid-input');
    expect(await refusalCode(client.update({ size: 1n }))).to.equal('invalid-input');
    expect(await refusalCode(client.update({ text: 'ü'.repeat(65 * 1024) }))).to.equal('too-large');
    expect(the.stub.calls).to.have.length(0);
  });

  it('refuses names that Socket.IO keeps for itself', async () => {
    const client = await the.open();
    expect(await refusalCode(client.call('disconnect'))).to.equal('unknown-event');
  });

  it('repeats what found the service unavailable, under the same reqId, within its time limit', async () => {
    const client = await the.open();
    the.stub.answer = ({ options: { again = 0 } }) => (again < 2 ? failure(503, 'unavailable') : {});
    await client.whoami();
    const { reqId } = the.stub.calls[0]!.options;
    expect(the.stub.calls.map(({ options }) => options)).to.deep.equal([{ reqId }, { reqId, again: 1 }, { reqId, again: 2 }]);
  });

  it('ends with timeout, and the refusal as its cause, when the service stays unavailable', async () => {
    const client = await the.open();
    the.stub.answer = () => failure(503, 'unavailable');
    const error = await refusal(client.whoami({}, { timeoutMs: 40 }));
    expect(error.code).to.equal('timeout');
    expect(error.cause).to.have.property('code', 'unavailable');
  });

  for (const [status, code] of [
    [429, 'rate'],
    [503, 'busy'],
    [500, 'internal'],
    [409, 'outcome-unknown'],
  ] as const)
    it(`does not repeat what was refused as ${code}`, async () => {
      const client = await the.open();
      the.stub.answer = () => failure(status, code);
      expect(await refusalCode(client.whoami())).to.equal(code);
      expect(the.stub.calls).to.have.length(1);
    });
});

describe('a call whose answer was lost', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('is sent again on the next connection under the same reqId, with the number of the sending', async () => {
    const client = await the.open();
    the.stub.answer = ({ connection }) => (connection < 2 ? silence : { uuid: 'lamp', status: 200 });
    const call = client.update({ name: 'hall' });
    for (const connection of [0, 1]) {
      await until(() => the.stub.calls.length === connection + 1);
      the.stub.cut();
    }
    expect(await call).to.deep.equal({ uuid: 'lamp', status: 200 });
    const { reqId } = the.stub.calls[0]!.options;
    expect(the.stub.calls.map(({ options, connection }) => [connection, options])).to.deep.equal([
      [0, { reqId }],
      [1, { reqId, again: 1 }],
      [2, { reqId, again: 2 }],
    ]);
  });

  it('goes before the calls that were made in the meantime', async () => {
    const client = await the.open();
    the.stub.answer = ({ connection, input }) => (connection === 0 ? silence : input);
    const first = [client.update({ n: 1 }), client.update({ n: 2 })];
    await until(() => the.stub.calls.length === 2);
    await the.lose(client);
    await Promise.all([...first, client.update({ n: 3 })]);
    expect(the.stub.calls.map(({ input, options: { again } }) => [input['n'], again])).to.deep.equal([
      [1, undefined],
      [2, undefined],
      [1, 1],
      [2, 1],
      [3, undefined],
    ]);
  });

  it('is not sent again when it is too late for that', async () => {
    const client = await the.open(lamp, { repeatMs: 1 });
    the.stub.answer = () => silence;
    const call = client.update({ name: 'hall' });
    await until(() => the.stub.calls.length === 1);
    const sentAt = performance.now();
    await until(() => performance.now() - sentAt > 2);
    the.stub.cut();
    expect(await refusalCode(call)).to.equal('outcome-unknown');
    expect(the.stub.calls).to.have.length(1);
  });

  it('is not sent again when it was given up before', async () => {
    const client = await the.open();
    the.stub.answer = ({ input }) => (input['lost'] ? silence : {});
    await refusalCode(client.update({ lost: true }, { timeoutMs: 20 }));
    the.stub.cut();
    await until(() => the.stub.handshakes.length === 2);
    await client.update({});
    expect(the.stub.calls.map(({ options: { again } }) => again)).to.deep.equal([undefined, undefined]);
  });
});

describe('client.reqId', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('lets its maker send a call again as a repeat', async () => {
    const client = await the.open();
    const reqId = client.reqId();
    the.stub.answer = ({ options: { again } }) => (again === undefined ? silence : { uuid: 'lamp', status: 200 });
    expect(await refusalCode(client.update({ name: 'hall' }, { reqId, timeoutMs: 20 }))).to.equal('timeout');
    await client.update({ name: 'hall' }, { reqId });
    expect(the.stub.calls.map(({ options }) => options)).to.deep.equal([{ reqId }, { reqId, again: 1 }]);
  });

  it('is refused while a call with it is under way', async () => {
    const client = await the.open();
    the.stub.answer = () => silence;
    const reqId = client.reqId();
    const first = refusalCode(client.update({}, { reqId, timeoutMs: 50 }));
    expect(await refusalCode(client.update({}, { reqId }))).to.equal('conflict');
    expect(await first).to.equal('timeout');
  });

  it('is refused when it comes from elsewhere', async () => {
    const [client, other] = [await the.open(), await the.open()];
    for (const reqId of [other.reqId(), 'mine', '', `${client.reqId()}0`, `${client.reqId()} `])
      expect(await refusalCode(client.update({}, { reqId })), reqId).to.equal('invalid-input');
  });

  it('is refused as outcome-unknown when 32 newer calls were sent', async () => {
    const client = await the.open();
    const [old, young] = [client.reqId(), client.reqId()];
    for (let n = 0; n < 32; n++) await client.whoami();
    await client.update({}, { reqId: young });
    await client.whoami();
    expect(await refusalCode(client.update({}, { reqId: old }))).to.equal('outcome-unknown');
  });

  it('is refused as outcome-unknown when it was first sent too long ago', async () => {
    const client = await the.open(lamp, { repeatMs: 1 });
    const reqId = client.reqId();
    await client.update({}, { reqId });
    const sentAt = performance.now();
    await until(() => performance.now() - sentAt > 2);
    expect(await refusalCode(client.update({}, { reqId }))).to.equal('outcome-unknown');
  });

  it('does not hold up other calls when it has grown too old while it waited', async () => {
    const client = await the.open();
    const reqId = client.reqId();
    await the.lose(client);
    const before = Array.from({ length: 40 }, (_, n) => client.update({ n }));
    const old = refusalCode(client.update({}, { reqId }));
    const behind = client.update({ n: 40 });
    await Promise.all([...before, behind]);
    expect(await old).to.equal('outcome-unknown');
  });
});

describe('the calls under way', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('are never more than 32 behind the newest one: further calls wait', async () => {
    const client = await the.open();
    let answerFirst: (answer: unknown) => void = () => {};
    const first = new Promise((resolve) => (answerFirst = resolve));
    the.stub.answer = ({ input }) => (input['n'] === 0 ? first : {});
    const calls = Array.from({ length: 100 }, (_, n) => client.update({ n }));
    await Promise.all(calls.slice(1, 33));
    expect(the.stub.calls).to.have.length(33);
    answerFirst({});
    await Promise.all(calls);
    expect(the.stub.calls.map(({ input }) => input['n'])).to.deep.equal(calls.map((_, n) => n));
  });

  it('are not held up by one that was given up', async () => {
    const client = await the.open();
    the.stub.answer = ({ input }) => (input['n'] === 0 ? silence : {});
    const first = refusalCode(client.update({ n: 0 }, { timeoutMs: 40 }));
    await Promise.all(Array.from({ length: 99 }, (_, n) => client.update({ n: n + 1 })));
    expect(await first).to.equal('timeout');
  });
});

describe('the offline queue', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('keeps calls in order until there is a connection', async () => {
    const client = await the.open();
    await the.lose(client);
    await Promise.all([1, 2, 3].map((n) => client.update({ n })));
    expect(the.stub.calls.map(({ input }) => input['n'])).to.deep.equal([1, 2, 3]);
  });

  it('drops calls above its limit, telemetry first, and says so', async () => {
    const client = await the.open(lamp, { queueLimit: 2, backoff: { minMs: 200, maxMs: 200 } });
    const dropped: unknown[] = [];
    client.on('dropped', (event, error) => dropped.push([event, error.code]));
    await the.lose(client);
    const kept = client.update({ n: 1 });
    const message = client.call('message', { devices: ['fan'] });
    const alsoKept = client.update({ n: 2 });
    expect(await refusalCode(message)).to.equal('busy');
    expect(await refusalCode(client.update({ n: 3 }))).to.equal('busy');
    expect(dropped).to.deep.equal([
      ['message', 'busy'],
      ['update', 'busy'],
    ]);
    await Promise.all([kept, alsoKept]);
    expect(the.stub.calls.map(({ input }) => input['n'])).to.deep.equal([1, 2]);
  });

  it('does not count calls that wait for their turn on a good connection', async () => {
    const client = await the.open(lamp, { queueLimit: 1 });
    await Promise.all(Array.from({ length: 200 }, () => client.whoami()));
    expect(the.stub.calls).to.have.length(200);
  });
});
