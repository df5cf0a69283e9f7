import { expect } from 'chai';
import { generate } from 'mqtt-packet';
import { WebSocket } from 'ws';
import { connectRaw, register, v2 } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';
import { mutations } from './support/mutations.ts';
import { closeRaw, connectPacket, field, openRaw, packetOf, type Packet, type Raw } from './support/raw.ts';

const MiB = 1_048_576;
/** What the process may grow by while one test runs, clients and server together. */
const maxGrowth = 300 * MiB;
const connectMs = 10_000;

onBothStores('bad input over MQTT', (registries) => {
  let url = '';
  let broker = '';
  let stage: Stage;
  let login: { readonly username: string; readonly password: Buffer };
  let rss = 0;
  let count = 0;
  const silent: Raw[] = [];
  let silentSince = 0;

  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', adminPassword });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
    stage = await openStage(url);
    const { body } = await stage.call('session:login', { username: 'admin', password: adminPassword });
    login = { username: 'admin', password: Buffer.from(String(body['token'])) };
    await stage.user('anna', { 'plant/#': 'readWrite' });
    await stage.user('bert', { 'plant/#': 'readWrite' });
    // They are looked at last.
    silentSince = performance.now();
    for (const begin of [[], [0x10], [...packetOf(0x10, [], 200)], [0x10, 0x80]]) {
      const raw = await openRaw(broker, false);
      raw.write(Buffer.from(begin));
      silent.push(raw);
    }
    await serves();
  });
  after(() => {
    for (const raw of silent) raw.cut();
  });
  beforeEach(() => {
    rss = process.memoryUsage().rss;
  });
  afterEach(async () => {
    closeRaw();
    closeClients();
    await serves();
    expect(process.memoryUsage().rss - rss, 'growth').to.be.below(maxGrowth);
  });

  const topic = (): string => `t/${(count += 1)}`;
  const enter = async (more: Parameters<typeof connectPacket>[0] = {}): Promise<Raw> => {
    const raw = await openRaw(broker);
    raw.send(connectPacket({ ...login, ...more }));
    expect(await raw.next('connack')).to.include({ returnCode: 0 });
    return raw;
  };
  const subscribe = (filters: readonly string[], qos: 0 | 1 | 2 = 0): Packet => ({
    cmd: 'subscribe',
    messageId: 1,
    subscriptions: filters.map((one) => ({ topic: one, qos })),
  });
  const subscriber = async (filter: string, qos: 0 | 1 | 2 = 0, more: Parameters<typeof connectPacket>[0] = {}): Promise<Raw> => {
    const raw = await enter(more);
    raw.send(subscribe([filter], qos));
    await raw.find('suback');
    return raw;
  };
  const publish = (to: string, payload: string | Buffer, qos: 0 | 1 | 2 = 0, messageId = 1): Packet => ({
    cmd: 'publish',
    topic: to,
    payload,
    qos,
    dup: false,
    retain: false,
    ...(qos > 0 && { messageId }),
  });
  /** Another client is served as if nothing were. */
  const serves = async (): Promise<void> => {
    const here = topic();
    const raw = await subscriber(here, 1);
    raw.send(publish(here, 'x', 1));
    await raw.find('publish');
    raw.cut();
  };
  const isRefused = async (...bytes: readonly Uint8Array[]): Promise<void> => {
    const raw = await enter();
    for (const piece of bytes) raw.write(piece);
    await raw.closed();
    expect(raw.rest).to.deep.equal([]);
  };

  it('thousands of malformed, cut and mixed packets do no harm', async () => {
    const end = performance.now() + 8_000;
    let tried = 0;
    const inputs = mutations(20_260_101, { login, topic: 't/fuzz' });
    const worker = async (): Promise<void> => {
      for (;;) {
        const { value: input } = inputs.next();
        if (input === undefined || tried >= 3_000 || (tried > 500 && performance.now() > end)) return;
        tried += 1;
        const raw = await openRaw(broker);
        // What comes back has to be MQTT too: the client closes on everything else.
        raw.write(input);
        raw.end();
        await raw.closed();
        expect(raw.fault, `input ${input.toString('hex')}`).to.equal(undefined);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    expect(tried).to.be.above(500);
  });

  it('a packet that announces more than 512 KiB ends the connection before it is sent', async () => {
    for (const length of [268_435_455, 524_289]) {
      await isRefused(packetOf(0x30, [], length));
      const raw = await openRaw(broker);
      raw.write(packetOf(0x10, [], length));
      await raw.closed();
    }
    const [here, reader] = [topic(), await subscriber('t/#')];
    const raw = await enter();
    const payload = Buffer.alloc(524_288 - field(here).length);
    raw.write(packetOf(0x30, [field(here), payload]));
    expect((await reader.next('publish')).payload).to.have.length(payload.length);
  });

  it('names of 64 KiB are refused: topics, filters, client ids, names, wills', async () => {
    const long = 'x'.repeat(65_535);
    await isRefused(packetOf(0x30, [field(long)]));
    const raw = await enter();
    raw.send(subscribe([long, 't/a', `t/${long.slice(2)}`]));
    expect((await raw.next('suback')).granted).to.deep.equal([128, 0, 128]);
    raw.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [long] });
    await raw.next('unsuback');
    const refusal = async (more: Parameters<typeof connectPacket>[0]): Promise<number | undefined> => {
      const other = await openRaw(broker);
      other.send(connectPacket({ ...login, ...more }));
      const { returnCode } = await other.next('connack');
      await other.closed();
      return returnCode;
    };
    expect(await refusal({ clientId: long })).to.equal(2);
    expect(await refusal({ username: long })).to.equal(4);
    expect(await refusal({ password: Buffer.from(long) })).to.equal(4);
    expect(await refusal({ will: { topic: long, payload: Buffer.alloc(0) } })).to.equal(5);
  });

  /** It is acknowledged, and the connection stays: bridges publish their state there. */
  const isDropped = async (own: string): Promise<void> => {
    const raw = await enter();
    raw.send(publish(own, 'forged', 1));
    expect((await raw.next('puback')).cmd).to.equal('puback');
  };

  it('topics of the broker’s own are not published to', async () => {
    const admin = await subscriber('$SYS/#');
    for (const own of ['$SYS', '$SYS/x', '$SYS/broker/clients', '$rollcall/call', '$rollcall/session', '$share/g/t/a'])
      await isDropped(own);
    const raw = await enter();
    raw.send(subscribe(['$rollcall/session', '$rollcall/#', '$share/g/t/a']));
    expect((await raw.next('suback')).granted).to.deep.equal([128, 128, 128]);
    await serves();
    const forged = (packet: Packet): boolean => packet.cmd === 'publish' && String(packet.payload) === 'forged';
    expect(admin.rest.some(forged)).to.equal(false);
  });

  it('odd topics are topics: empty levels, names of JavaScript, spaces, emoji', async () => {
    const odd = [
      '/',
      '//',
      't//x',
      '/t',
      't/',
      '__proto__',
      'constructor',
      'toString/valueOf',
      'hasOwnProperty',
      ' ',
      '😀/ü',
      '*',
    ];
    const raw = await enter();
    raw.send(subscribe(odd, 1));
    expect((await raw.next('suback')).granted).to.deep.equal(odd.map(() => 1));
    const other = await enter();
    for (const one of odd) {
      other.send({ ...publish(one, one, 1), retain: true } as Packet);
      await other.next('puback');
      expect(await raw.next('publish')).to.include({ topic: one });
      const late = await subscriber(one);
      expect(await late.find('publish')).to.include({ topic: one, retain: true });
      late.cut();
      other.send({ ...publish(one, '', 1), retain: true } as Packet);
      await other.next('puback');
      await raw.next('publish');
    }
  });

  it('a topic or filter with more than 100 levels ends the connection', async () => {
    const deep = 'a/'.repeat(100) + 'a';
    await isRefused(packetOf(0x30, [field(deep), Buffer.from('x')]));
    await isRefused(packetOf(0x82, [0, 1, field(deep), 0]));
    await isRefused(packetOf(0x82, [0, 1, field('+/'.repeat(2_000)), 0]));
    (await enter({ will: { topic: deep, payload: Buffer.from('x'), qos: 1 } })).cut();
  });

  it('odd client ids are client ids: names of JavaScript, emoji, patterns, control characters', async () => {
    for (const clientId of [
      '__proto__',
      'constructor',
      'toString',
      '😀',
      '#',
      '+/+',
      '$where',
      '{"$ne":1}',
      '\u202E\u0007',
      ' ',
    ]) {
      const [first, here] = [await enter({ clientId, clean: false }), topic()];
      first.send(subscribe([here], 1));
      await first.find('suback');
      first.cut();
      const other = await enter();
      other.send(publish(here, 'x', 1));
      await other.next('puback');
      const again = await openRaw(broker);
      again.send(connectPacket({ ...login, clientId, clean: false }));
      expect(await again.next('connack')).to.include({ returnCode: 0, sessionPresent: true });
      await again.next('publish');
      again.send({ cmd: 'disconnect' });
      await again.closed();
      (await enter({ clientId })).cut();
    }
  });

  it('nobody takes over another one’s client id, however often he tries', async () => {
    const anna = await connectMqtt(broker, { username: 'anna', password: 'secret1', clientId: 'annas', clean: false });
    const tries = Array.from({ length: 20 }, (_, n) =>
      refusalOf(broker, {
        username: n % 2 === 0 ? 'bert' : 'anna',
        password: n % 2 === 0 ? 'secret1' : 'wrong',
        clientId: 'annas',
      }),
    );
    expect(new Set(await Promise.all(tries))).to.satisfy((codes: Set<unknown>) =>
      [...codes].every((code) => [2, 3, 4, 5].includes(Number(code))),
    );
    await anna.subscribe('plant/x', 1);
    await anna.publish('plant/x', 'still here', { qos: 1 });
    await until(() => anna.texts('plant/x').length === 1);
    await anna.end();
    expect(await refusalOf(broker, { username: 'bert', password: 'secret1', clientId: 'annas' })).to.equal(2);
  });

  it('a client subscribes to 1,000 filters and no more, in one packet or in many', async () => {
    const raw = await enter({ clientId: 'greedy', clean: false });
    const filters = Array.from({ length: 10_000 }, (_, n) => `t/many/${n}`);
    raw.send(subscribe(filters, 1));
    const { granted } = await raw.next('suback');
    expect(granted.slice(0, 1_000).every((code) => code === 1)).to.equal(true);
    expect(granted.slice(1_000).every((code) => code === 128)).to.equal(true);
    for (let n = 0; n < 200; n += 1) raw.send(subscribe([`t/more/${n}`]));
    for (let n = 0; n < 200; n += 1) expect((await raw.next('suback')).granted).to.deep.equal([128]);
    raw.send(subscribe([filters[0] ?? ''], 2), { cmd: 'unsubscribe', messageId: 2, unsubscriptions: filters.slice(0, 1) });
    expect((await raw.next('suback')).granted).to.deep.equal([2]);
    await raw.next('unsuback');
    raw.send(subscribe(['t/other', 't/another']));
    expect((await raw.next('suback')).granted).to.deep.equal([0, 128]);
    raw.cut();
    const again = await openRaw(broker);
    again.send(connectPacket({ ...login, clientId: 'greedy', clean: false }));
    expect((await again.next('connack')).sessionPresent).to.equal(true);
    const other = await enter();
    other.send(publish('t/many/999', 'x', 1));
    await again.next('publish');
  });

  it('deep filters that overlap are few, so that matching a message stays cheap', async () => {
    const raw = await enter();
    const deep = (n: number) => `t/${Array.from({ length: 98 }, (_, at) => ((n >> (at % 10)) & 1 ? '+' : 'a')).join('/')}`;
    raw.send(subscribe(Array.from({ length: 1_000 }, (_, n) => deep(n + 1))));
    const { granted } = await raw.next('suback');
    expect(granted.filter((code) => code === 0)).to.have.length(10);
    raw.send(subscribe(Array.from({ length: 500 }, (_, n) => `t/+/${n}`)), subscribe([deep(0)]));
    expect(new Set((await raw.next('suback')).granted)).to.deep.equal(new Set([0]));
    expect((await raw.next('suback')).granted).to.deep.equal([0]);
    raw.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [deep(1)] }, subscribe([deep(1_000), deep(1_001)]));
    await raw.next('unsuback');
    expect((await raw.next('suback')).granted).to.deep.equal([0, 128]);
  });

  it('one device has 10,000 sessions that outlive their connections, and no more', async () => {
    const begun = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close' });
    const device = await register(begun.url, {});
    await begun.close();
    await registries.inspect(async (store) => {
      const session = { rev: 1, uuid: device.uuid, clean: false, subscriptions: [], since: new Date() };
      await store.collection('mqtt-sessions').insertMany(Array.from({ length: 9_999 }, (_, n) => ({ ...session, _id: `s${n}` })));
    });
    const { mqtt } = await registries.again({ mqttPort: 0, mqttDeniedPublish: 'close' });
    const as = (clientId: string, clean = false) =>
      refusalOf(mqtt[0] ?? '', { username: device.uuid, password: device.token, clientId, clean });
    expect(await as('last')).to.equal(0);
    expect(await as('one more')).to.equal(3);
    expect(await as('s17')).to.equal(0);
    expect(await as('one more', true)).to.equal(0);
  });

  it('filters that a client has no right to are refused in any number', async () => {
    const device = await register(url, {});
    const raw = await openRaw(broker);
    raw.send(connectPacket({ username: device.uuid, password: Buffer.from(device.token), clientId: 'nosy' }));
    await raw.next('connack');
    const filters = Array.from({ length: 5_000 }, (_, n) => `x/${n}`);
    raw.send(subscribe(filters), { cmd: 'unsubscribe', messageId: 2, unsubscriptions: filters });
    expect(new Set((await raw.next('suback')).granted)).to.deep.equal(new Set([128]));
    await raw.next('unsuback');
  });

  it('a flood of messages is taken, and reaches who reads', async () => {
    const [here, total] = [topic(), 20_000];
    const reader = await subscriber(here);
    const raw = await enter();
    for (let n = 0; n < total; n += 500)
      raw.write(Buffer.concat(Array.from({ length: 500 }, () => generate(publish(here, 'x'.repeat(50))))));
    raw.send(publish(here, 'last', 1));
    await until(() => raw.rest.length === 1, 20_000);
    // A reader with QoS 0 that is behind may miss single messages.
    await until(() => {
      raw.send(publish(here, 'last'));
      return reader.rest.some((packet) => packet.cmd === 'publish' && String(packet.payload) === 'last');
    }, 20_000);
    expect(reader.rest.length).to.be.above(total / 2);
  });

  for (const [what, publishers, each, bytes] of [
    ['large', 40, 60, 1_000],
    ['small', 8, 2_000, 1],
  ] as const) {
    it(`${what} messages that many publish in the same moment reach who reads, all of them`, async () => {
      const here = topic();
      const reader = await subscriber(here);
      const all = await Promise.all(Array.from({ length: publishers }, () => enter()));
      const packets = Buffer.concat(Array.from({ length: each }, () => generate(publish(here, 'x'.repeat(bytes)))));
      for (let round = 1; round <= 3; round += 1) {
        for (const raw of all) raw.write(packets);
        await until(() => reader.rest.length === round * publishers * each, 10_000);
      }
    });
  }

  it('a publisher that does not read its acknowledgements stops being read, and nobody else', async () => {
    const here = topic();
    const raw = await enter();
    raw.stall();
    for (let n = 1; n <= 60_000; n += 1_000)
      raw.write(Buffer.concat(Array.from({ length: 1_000 }, (_, m) => generate(publish(here, 'x', 1, n + m)))));
    await serves();
  });

  for (const [what, qos, clean] of [
    ['QoS 0', 0, true],
    ['QoS 1', 1, true],
    ['QoS 1 in a kept session', 1, false],
  ] as const) {
    it(`a client that reads nothing costs a bounded amount of memory, and the others do not notice: ${what}`, async () => {
      const [here, total] = [topic(), 400];
      const slow = await subscriber(here, qos, { clientId: 'slow', clean });
      slow.stall();
      const reader = await subscriber(here, 1);
      const raw = await enter();
      const payload = Buffer.alloc(65_536, 'x');
      let slowest = 0;
      for (let n = 1; n <= total; n += 1) {
        const begun = performance.now();
        raw.send(publish(here, payload, 1, n));
        const { messageId = 0 } = await reader.next('publish');
        slowest = Math.max(slowest, performance.now() - begun);
        reader.send({ cmd: 'puback', messageId });
        await raw.next('puback');
      }
      expect(slowest).to.be.below(5_000);
    });
  }

  it('a client that acknowledges nothing is ended after 5,000 messages', async () => {
    const here = topic();
    for (const clean of [true, false]) {
      const slow = await subscriber(here, 1, { clientId: 'never', clean });
      const raw = await enter();
      for (let n = 0; n < 6_000 && !slow.isClosed; n += 200) {
        raw.send(...Array.from({ length: 200 }, (_, m) => publish(here, '', 1, n + m + 1)));
        for (let m = 0; m < 200; m += 1) await raw.next('puback');
      }
      await slow.closed();
      expect(new Set(slow.take().map(({ messageId }) => messageId)).size).to.be.within(4_000, 5_001);
    }
  });

  it('QoS 2 that is never released ends at 1,000 messages, over all connections of a session', async () => {
    const here = topic();
    const first = await enter({ clientId: 'halfway', clean: false });
    first.send(...Array.from({ length: 600 }, (_, n) => publish(here, '', 2, n + 1)));
    for (let n = 0; n < 600; n += 1) await first.next('pubrec');
    first.cut();
    const second = await enter({ clientId: 'halfway', clean: false });
    second.send(...Array.from({ length: 600 }, (_, n) => publish(here, '', 2, n + 1_000)));
    await second.closed();
    expect(second.rest.length).to.be.below(401);
  });

  it('thousands of retained messages come to who reads, and to who does not they cost little', async () => {
    const raw = await enter();
    const total = 3_000;
    const each = async (payload: string): Promise<void> => {
      for (let n = 0; n < total; n += 100) {
        raw.send(
          ...Array.from(
            { length: 100 },
            (_, m): Packet => ({ ...publish(`t/kept/${n + m}`, payload, 1, m + 1), retain: true }) as Packet,
          ),
        );
        for (let m = 0; m < 100; m += 1) await raw.next('puback');
      }
    };
    await each('x'.repeat(1_000));
    const stuck = await enter();
    stuck.stall();
    for (let n = 0; n < 5; n += 1) stuck.send(subscribe(['t/kept/#'], 1));
    // Nor is it read again and again for many filters, or for one that comes many times.
    const greedy = await enter();
    greedy.send(subscribe(Array.from({ length: 1_000 }, (_, n) => `+/kept/${n}/+`)));
    for (let n = 0; n < 200; n += 1) greedy.send(subscribe(['t/kept/#']));
    for (let n = 0; n < 200; n += 1) await greedy.find('suback');
    greedy.cut();
    const reader = await enter();
    reader.send(subscribe(['t/kept/#'], 0));
    const patient = await enter();
    patient.send(subscribe(['t/kept/#'], 1));
    await until(() => reader.rest.length === total + 1, 15_000);
    // With QoS 1 they come as they are acknowledged.
    await until(() => patient.rest.length > 2_500, 15_000);
    await serves();
    expect(patient.rest.length).to.be.below(2_600);
    let got = 0;
    await until(() => {
      const messages = patient.take().filter((packet) => packet.cmd === 'publish');
      for (const { messageId = 0 } of messages) patient.send({ cmd: 'puback', messageId });
      got += messages.length;
      return got === total;
    }, 15_000);
    await each('');
  });

  it('payloads that are no good JSON are refused as calls and stay text as messages', async () => {
    const device = await register(url, v2({}));
    const client = await connectMqtt(broker, { username: device.uuid, password: device.token, clientId: 'jsonist' });
    await client.subscribe(device.uuid, 1);
    const answers = () =>
      client
        .texts(device.uuid)
        .map((text) => JSON.parse(text) as { topic: string; data: { code: string } })
        .filter((answer) => answer.topic !== 'config');
    const bad = [
      '['.repeat(100_000),
      '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000),
      '{"__proto__":{"x":1}}',
      '{"constructor":{"prototype":{"x":1}}}',
      '{"a":1,"a":2}',
      '{"a":1e999}',
      '{"a":',
      '"\\ud800"',
    ];
    for (const text of bad) await client.publish('update', text, { qos: 1 });
    await until(() => answers().length === bad.length);
    expect(new Set(answers().map(({ topic: name, data }) => `${name} ${data.code}`))).to.deep.equal(
      new Set(['error invalid-input']),
    );
    const socket = await connectRaw(url);
    socket.socket.emit('identity', { ...login, token: String(login.password), auto_set_online: false });
    const [here, reader] = [topic(), await subscriber('t/#', 1)];
    const raw = await enter();
    for (const text of [...bad, Buffer.from([0xff, 0xfe])]) {
      raw.send(publish(here, text, 1));
      await raw.next('puback');
      expect((await reader.next('publish')).payload.toString('latin1')).to.equal(Buffer.from(text).toString('latin1'));
    }
    socket.close();
  });

  it('acknowledgements of what was never sent are as cheap as they are useless', async () => {
    const raw = await enter();
    for (let n = 1; n <= 5_000; n += 500)
      raw.send(
        ...Array.from({ length: 500 }, (_, m) => ({ cmd: m % 2 === 0 ? 'puback' : 'pubrec', messageId: n + m }) as Packet),
      );
    raw.send({ cmd: 'pingreq' });
    await raw.find('pingresp');
  });

  it('other protocols end at once: HTTP, TLS, noise', async () => {
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
      Buffer.alloc(100_000, 0xff),
    ]) {
      const raw = await openRaw(broker);
      raw.write(bytes);
      await raw.closed();
    }
  });

  it('a websocket frame larger than a packet may be ends the connection', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/mqtt`, ['mqtt']);
    let isClosed = false;
    socket.on('close', () => (isClosed = true)).on('error', () => undefined);
    await until(() => socket.readyState === WebSocket.OPEN);
    socket.send(Buffer.alloc(MiB));
    await until(() => isClosed);
  });

  it('a connection that breaks off in the middle of a packet is ended by keep-alive', async () => {
    const raw = await enter({ keepalive: 1 });
    raw.write(packetOf(0x30, [field('t/half'), Buffer.alloc(10)], 1_000));
    await raw.closed();
  });

  it('hundreds of connections that say nothing keep nobody out', async () => {
    await Promise.all(Array.from({ length: 500 }, () => openRaw(broker)));
  });

  it(`who does not say CONNECT in ${connectMs / 1_000} s is closed out, though he has begun`, async () => {
    await until(() => silent.every((raw) => raw.isClosed), Math.max(1_000, silentSince + connectMs + 3_000 - performance.now()));
  }).timeout(connectMs + 5_000);
});
