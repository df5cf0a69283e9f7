import { expect } from 'chai';
import type { Engines, Rejected } from '@rollcall/server/internal/transports/socketio/engines';
import { until } from '../../sdk/support/until.ts';
import type { RawClient } from './raw.ts';
import { rawClient } from './raw.ts';
import type { Served } from './serve.ts';
import { serve } from './serve.ts';

const main = '/socket.io/?EIO=4&transport=websocket';
const legacy = '/socket.io/?EIO=3&transport=websocket';

/** Arrays in one another. */
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const refused = [
  ['arrays 33 deep', nested(33), 'maxDepth', '/0'.repeat(32)],
  ['arrays 10,000 deep', nested(10_000), 'maxDepth', '/0'.repeat(32)],
  ['objects 10,000 deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, 'maxDepth', '/a'.repeat(32)],
  ['brackets that never close', '['.repeat(60_000), 'maxDepth', '/0'.repeat(32)],
  ['the key __proto__', '{"a":[1,{"__proto__":{"x":1}}]}', 'forbiddenKey', '/a/1/__proto__'],
  ['the key constructor', '{"constructor":1}', 'forbiddenKey', '/constructor'],
  ['the key prototype', '{"a" : {"prototype" : 1}}', 'forbiddenKey', '/a/prototype'],
  ['the key toJSON', '{"a":1,"toJSON":1}', 'forbiddenKey', '/toJSON'],
  ['the key _bsontype', '{"_bsontype":"ObjectID"}', 'forbiddenKey', '/_bsontype'],
  ['a key twice', '{"a":[{"b":1,"\\u0062":2}]}', 'duplicateKey', ''],
  ['the empty key', '{"":1}', 'forbiddenKey', '/'],
  ['a key with NUL', '{"a\\u0000b":1}', 'forbiddenKey', '/a\0b'],
  ['an escaped __proto__', '{"\\u005f_proto__":1}', 'forbiddenKey', '/__proto__'],
  ['an escaped constructor', '{"a/b":{"c\\u006Fnstructor":1}}', 'forbiddenKey', '/a~1b/constructor'],
  ['a number beyond all doubles', '{"a":[1e400]}', 'number', '/a/0'],
  ['a negative one', '[-1E999]', 'number', '/0'],
  ['400 digits', `[${'9'.repeat(400)}]`, 'number', '/0'],
  ['an unsafe integer', '{"n":9007199254740993}', 'number', '/n'],
  ['an unsafe integer by exponent', '{"n":-9.007199254740993e15}', 'number', '/n'],
  ['half a pair in text', '{"a":"\\ud800"}', 'surrogate', '/a'],
  ['half a pair in a key', '{"x\\uDFFFy":1}', 'surrogate', '/x\ufffdy'],
  ['a pair the wrong way round', '["\\ude00\\ud83d"]', 'surrogate', '/0'],
] as const;

const accepted = [
  ['arrays 32 deep', nested(32)],
  ['keys with $ and dots', '{"$set":{"a.b":1},"a.$.c":2}'],
  ['keys that only look forbidden', '{"__proto":1,"Constructor":2,"tojson":3," ":4}'],
  ['forbidden names as values', '["__proto__","constructor",""]'],
  ['whole numbers beyond 2^53 that a double gives back', '[9007199254740992,1796079441000000000,-9.1e15,1e21]'],
  ['the largest safe integers', '[9007199254740991,-9007199254740991,-0,1e-400]'],
  ['whole pairs', '["\\ud83d\\ude00","😀","\\u0000"]'],
  ['brackets in text', `["${'['.repeat(100)}","\\"{{{"]`],
] as const;

const malformed = [
  ['no JSON', '20{]'],
  ['nothing after the type', '2'],
  ['an event that is no list', '21{"a":1}'],
  ['an empty list', '21[]'],
  ['an event without a name that nobody asks about', '2[1]'],
  ['an event that Socket.IO emits itself', '2["disconnect"]'],
  ['an event with more than 4 arguments (S1)', '2["echo",1,1,1,1,1]'],
  ['an event with 65,000 arguments (S1)', `2["echo"${',1'.repeat(64_990)}]`],
  ['an event with 65,000 arguments that waits for an answer (S1)', `21["echo"${',1'.repeat(64_990)}]`],
  ['an acknowledgement with 65,000 arguments (S1)', `31[1${',1'.repeat(64_990)}]`],
  ['a refused event without a name', '21[{"__proto__":1}]'],
  ['a refused event that nobody asks about', '2["echo",{"__proto__":1}]'],
  ['an acknowledgement that is no list', '31{}'],
  ['a refused acknowledgement', `31[${nested(40)}]`],
  ['an acknowledgement number out of range', '29999999999999999["echo"]'],
  ['a DISCONNECT with a payload', '1{}'],
  ['a CONNECT_ERROR', '4{"message":"x"}'],
  ['a binary event that nobody asks about', '51-["echo",{"_placeholder":true,"num":0}]'],
  ['a binary event with too many attachments', '517-1["echo",{"_placeholder":true,"num":0}]'],
  ['a binary event without a name', '51-1[{"_placeholder":true,"num":0}]'],
  ['text where an attachment is due', '51-1["echo",{"_placeholder":true,"num":0}]\n2["echo"]'],
  ['a binary acknowledgement', '61-1[{"_placeholder":true,"num":0}]'],
  ['an unknown type', '7'],
  ['another namespace', '0/admin,'],
  ['an event for another namespace', '2/admin,["echo"]'],
  ['a second CONNECT', '0'],
] as const;

/** The details of the next refused event of this name, on the newest socket of an engine. */
const nextRefused = ({ io, legacy }: Engines, name: 'main' | 'legacy', event: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = [...((name === 'main' ? io : legacy)?.sockets.sockets.values() ?? [])].at(-1);
    if (socket === undefined) reject(new Error('no socket is connected'));
    socket?.once(event, ({ details }: Rejected) => resolve(details.map(({ path, rule }) => ({ path, rule }))));
  });

for (const [name, path] of [
  ['main', main],
  ['legacy', legacy],
] as const) {
  describe(`the guard of the ${name} engine`, () => {
    let served: Served;
    let raw: RawClient;
    before(async () => (served = await serve()));
    after(() => served.close());
    beforeEach(async () => {
      raw = await rawClient(served.port, path);
      if (path === main) raw.send('40');
      await until(() => raw.messages.some((message) => message.startsWith('40')));
    });
    afterEach(() => raw.destroy());

    const answer = async (id: number): Promise<string> => {
      const head = `43${id}`;
      await until(() => raw.messages.some((message) => message.startsWith(head)));
      return raw.messages.find((message) => message.startsWith(head))?.slice(head.length) ?? '';
    };

    for (const [what, json, rule, pointer] of refused) {
      it(`answers ${what} with a typed error and goes on`, async () => {
        raw.send(`421["echo",${json}]`);
        raw.send('422["echo","still here"]');
        const [{ details }] = JSON.parse(await answer(1)) as [{ details: { path: string; rule: string }[] }];
        expect(details.map((detail) => [detail.rule, detail.path])).to.deep.equal([[rule, pointer]]);
        expect(await answer(2)).to.contain('still here');
      });
    }

    for (const [what, json] of accepted) {
      it(`lets ${what} pass`, async () => {
        raw.send(`421["echo",${json}]`);
        expect(JSON.parse(await answer(1))).to.deep.equal(JSON.parse(JSON.stringify([JSON.parse(json)])));
      });
    }

    for (const [what, packet] of malformed) {
      it(`closes the transport on ${what}`, async () => {
        for (const one of packet.split('\n')) raw.send(`4${one}`);
        await until(() => raw.isClosed());
      });
    }

    for (const [what, packet] of [
      ['a number', '[5,{}]'],
      ['an object', '[{},1]'],
      ['null', '[null]'],
      ['that Socket.IO emits itself', '["disconnect"]'],
    ] as const) {
      it(`answers an event whose name is ${what}, and goes on (W8)`, async () => {
        const seen = nextRefused(served.engines, name, '');
        raw.send(`421${packet}`);
        raw.send('422["echo","still here"]');
        expect(await seen).to.deep.equal([{ path: '', rule: 'event' }]);
        expect(await answer(2)).to.contain('still here');
      });
    }

    it('answers a binary argument, skips what belongs to it, and goes on (W8)', async () => {
      raw.send('452-1["echo",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]');
      for (const byte of [1, 2]) raw.send(Buffer.from([...(name === 'legacy' ? [4] : []), byte]));
      raw.send('422["echo","still here"]');
      const [{ details }] = JSON.parse(await answer(1)) as [{ details: { rule: string }[] }];
      expect(details.map(({ rule }) => rule)).to.deep.equal(['binary']);
      expect(await answer(2)).to.contain('still here');
    });

    it('takes an event with 4 arguments and a callback (S1)', async () => {
      raw.send('421["none",1,2,3,4]');
      raw.send('422["echo","still here"]');
      expect(await answer(2)).to.contain('still here');
    });

    it('closes the transport on bytes', async () => {
      raw.send(Buffer.from([4, 1, 2, 3]));
      await until(() => raw.isClosed());
    });

    it('counts every packet that it refuses', async () => {
      const { rejectedPackets } = served.engines.stats();
      raw.send('421["echo",{"":1}]');
      raw.send('42["echo",{"":1}]');
      await until(() => raw.isClosed());
      expect(served.engines.stats().rejectedPackets).to.equal(rejectedPackets + 2);
    });

    it('names the argument of a call that is refused, if it is not the first', async () => {
      raw.send('421["echo",{},{"":1}]');
      expect(await answer(1)).to.contain('(argument 2)');
    });
  });
}

describe('the size of a message', () => {
  let served: Served;
  before(async () => (served = await serve()));
  after(() => served.close());

  it('is 128 KiB on the main engine: beyond, the transport is closed', async () => {
    const text = (bytes: number): string => `421["echo","${'x'.repeat(bytes - '421["echo",""]'.length)}"]`;
    const raw = await rawClient(served.port, main);
    raw.send('40');
    raw.send(text(131_072));
    await until(() => raw.messages.some((message) => message.startsWith('431[')));
    raw.send(text(131_073));
    await until(() => raw.isClosed());
  });

  it('closes the transport on a message of 1 MiB before it was read to its end', async () => {
    const raw = await rawClient(served.port, main);
    raw.send('40');
    raw.send(`421["echo","${'x'.repeat(1_048_576)}"]`);
    await until(() => raw.isClosed());
    expect(raw.messages.filter((message) => message.startsWith('431['))).to.deep.equal([]);
  });

  it('is the same on the legacy engine, but up to 10 MiB of it are answered, unparsed', async () => {
    const raw = await rawClient(served.port, legacy);
    for (const [id, name] of ['echo', 'message'].entries()) raw.send(`42${id}["${name}","${'x'.repeat(9_437_184)}"]`);
    raw.send('429["echo","small"]');
    await until(() => raw.messages.includes('439["small"]'));
    expect(raw.messages.some((message) => message.startsWith('430[{"error":'))).to.equal(true);
    expect(raw.messages.every((message) => message.length < 1_000)).to.equal(true);
    raw.destroy();
  });
});

describe('an answer over 8 MiB', () => {
  it('is replaced by too-large', async () => {
    const served = await serve({ answerBytes: 1000 });
    const raw = await rawClient(served.port, main);
    raw.send('40');
    raw.send(`421["echo","${'x'.repeat(1001)}"]`);
    await until(() => raw.messages.some((message) => message.startsWith('431[')));
    expect(raw.messages.at(-1)).to.equal('431[{"error":"Payload Too Large","status":413,"code":"too-large"}]');
    raw.destroy();
    await served.close();
  });
});
