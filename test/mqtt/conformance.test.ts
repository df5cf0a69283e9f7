import { expect } from 'chai';
import { WebSocket } from 'ws';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { adminPassword, openStage } from './support/ground.ts';
import { closeRaw, connectPacket, field, openRaw, packetOf, type Packet, type Raw } from './support/raw.ts';

type Connect = Parameters<typeof connectPacket>[0];
type Publish = Extract<Packet, { readonly cmd: 'publish' }>;

const invalidText: Readonly<Record<string, Uint8Array>> = {
  'a lone continuation byte': Buffer.of(0x61, 0x80),
  'a sequence that breaks off': Buffer.of(0x61, 0xc3),
  'an overlong form': Buffer.of(0xc0, 0xaf),
  'a surrogate': Buffer.of(0xed, 0xa0, 0x80),
  'U+0000': Buffer.of(0x61, 0x00, 0x62),
};

onBothStores('the normative statements of MQTT 3.1.1', (registries) => {
  let broker = '';
  let web = '';
  let login: { readonly username: string; readonly password: Buffer };
  let count = 0;
  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', adminPassword });
    broker = registry.mqtt[0] ?? '';
    web = `${registry.url.replace('http', 'ws')}/mqtt`;
    const stage = await openStage(registry.url);
    const { body } = await stage.call('session:login', { username: 'admin', password: adminPassword });
    login = { username: 'admin', password: Buffer.from(String(body['token'])) };
  });
  afterEach(closeRaw);

  const name = (): string => `c${(count += 1)}`;
  const topic = (): string => `t/${(count += 1)}`;
  const open = (): Promise<Raw> => openRaw(broker);
  /** A connection that has been let in. */
  const enter = async (more: Connect = {}) => {
    const raw = await open();
    raw.send(connectPacket({ ...login, ...more }));
    const connack = await raw.next('connack');
    expect(connack.returnCode).to.equal(0);
    return Object.assign(raw, { sessionPresent: connack.sessionPresent });
  };
  const kept = (clientId: string) => enter({ clientId, clean: false });
  const publish = (to: string, payload: string, more: Partial<Publish> = {}): Packet => ({
    cmd: 'publish',
    topic: to,
    payload,
    qos: 0,
    dup: false,
    retain: false,
    ...(more.qos !== undefined && more.qos > 0 && { messageId: 1 }),
    ...more,
  });
  const subscribe = (filters: string | readonly string[], qos: 0 | 1 | 2 = 0, messageId = 9): Packet => ({
    cmd: 'subscribe',
    messageId,
    subscriptions: [filters].flat().map((one) => ({ topic: one, qos })),
  });
  /** Subscribes and gives the return codes. */
  const granted = async (raw: Raw, filters: string | readonly string[], qos: 0 | 1 | 2 = 0) => {
    raw.send(subscribe(filters, qos));
    return (await raw.find('suback')).granted;
  };
  const subscriber = async (filters: string | readonly string[], qos: 0 | 1 | 2 = 0) => {
    const raw = await enter();
    await granted(raw, filters, qos);
    return raw;
  };
  /** Sends with QoS 1 or 2 and carries the handshake through. */
  const deliver = async (raw: Raw, packet: Packet): Promise<void> => {
    raw.send(packet);
    const { messageId = 0, qos } = packet as Publish;
    if (qos === 1) expect((await raw.find('puback')).messageId).to.equal(messageId);
    if (qos !== 2) return;
    expect((await raw.find('pubrec')).messageId).to.equal(messageId);
    raw.send({ cmd: 'pubrel', messageId });
    expect((await raw.find('pubcomp')).messageId).to.equal(messageId);
  };
  const isMessage = ({ cmd }: Packet): boolean => cmd === 'publish';
  /** Everything that has come, at least so many messages, when a message comes that was published last. */
  const heard = async (raw: Raw, least = 0): Promise<readonly Packet[]> => {
    await until(() => raw.rest.filter(isMessage).length >= least);
    const mark = topic();
    raw.send(subscribe(mark, 0, 60_000));
    await until(() => raw.rest.some(({ cmd, messageId }) => cmd === 'suback' && messageId === 60_000));
    const other = await enter();
    await deliver(other, publish(mark, '', { qos: 1 }));
    other.cut();
    const isMark = (packet: Packet): boolean => packet.cmd === 'publish' && packet.topic === mark;
    await until(() => raw.rest.some(isMark));
    return raw.take().filter((packet) => !isMark(packet) && packet.cmd !== 'suback');
  };
  const texts = (packets: readonly Packet[]): readonly string[] =>
    packets.flatMap((packet) => (packet.cmd === 'publish' ? [String(packet.payload)] : []));
  /** The server ends the connection and says nothing more. */
  const isRefused = async (raw: Raw, bytes: Uint8Array): Promise<void> => {
    raw.write(bytes);
    await raw.closed();
    expect(raw.rest).to.deep.equal([]);
  };
  const refusedAfterConnect = async (bytes: Uint8Array): Promise<void> => isRefused(await enter(), bytes);
  const refusedAtOnce = async (bytes: Uint8Array): Promise<void> => isRefused(await open(), bytes);
  /** CONNECT by its parts: `flags` beside clean session. */
  const connectBytes = (flags: number, parts: readonly (number | Uint8Array)[], protocol = 'MQTT', level = 4): Buffer =>
    packetOf(0x10, [field(protocol), level, flags, 0, 0, ...parts]);
  const refusedWith = async (bytes: Uint8Array, returnCode: number): Promise<void> => {
    const raw = await open();
    raw.write(bytes);
    expect(await raw.next('connack')).to.include({ returnCode, sessionPresent: false });
    await raw.closed();
  };

  describe('data (sections 1.5 and 2)', () => {
    for (const [what, bytes] of Object.entries(invalidText)) {
      const rule = what === 'U+0000' ? '[MQTT-1.5.3-2]' : '[MQTT-1.5.3-1]';
      it(`${rule} ${what} ends the connection: in a client id, a name, a topic, a filter, a will`, async () => {
        await refusedAtOnce(connectBytes(2, [field(bytes)]));
        await refusedAtOnce(connectBytes(0x82, [field('x'), field(bytes)]));
        await refusedAtOnce(connectBytes(6, [field('x'), field(bytes), field('gone')]));
        await refusedAfterConnect(packetOf(0x30, [field(bytes), Buffer.from('x')]));
        await refusedAfterConnect(packetOf(0x82, [0, 1, field(bytes), 0]));
        await refusedAfterConnect(packetOf(0xa2, [0, 1, field(bytes)]));
      });
    }

    it('[MQTT-1.5.3-3] U+FEFF is a character like any other: it is not taken off', async () => {
      const here = topic();
      const raw = await subscriber([`\uFEFF${here}`, here]);
      await deliver(raw, publish(`\uFEFF${here}`, 'x', { qos: 1 }));
      expect((await raw.find('publish')).topic).to.equal(`\uFEFF${here}`);
      expect(await heard(raw)).to.deep.equal([]);
    });

    const reserved: readonly (readonly [string, number, readonly (number | Uint8Array)[]])[] = [
      ['PUBACK', 0x41, [0, 1]],
      ['PUBREC', 0x52, [0, 1]],
      ['PUBREL', 0x60, [0, 1]],
      ['PUBCOMP', 0x78, [0, 1]],
      ['SUBSCRIBE', 0x80, [0, 1, field('a'), 0]],
      ['UNSUBSCRIBE', 0xa0, [0, 1, field('a')]],
      ['PINGREQ', 0xc1, []],
      ['DISCONNECT', 0xe1, []],
    ];
    it('[MQTT-2.2.2-1] [MQTT-2.2.2-2] reserved flags that are not as they have to be end the connection', async () => {
      for (const [, first, parts] of reserved) await refusedAfterConnect(packetOf(first, parts));
      await refusedAtOnce(packetOf(0x11, [field('MQTT'), 4, 2, 0, 0, field('x')]));
    });

    it('a packet type that the server does not take ends the connection (section 2.2.1)', async () => {
      const bodies = { 0: [], 2: [0, 0], 9: [0, 1, 0], 11: [0, 1], 13: [], 15: [] };
      for (const [type, body] of Object.entries(bodies)) await refusedAfterConnect(packetOf(Number(type) << 4, body));
    });

    it('a remaining length that is longer than four bytes, or not that of the packet, ends the connection (section 2.2.3)', async () => {
      await refusedAfterConnect(Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01));
      await refusedAfterConnect(packetOf(0x30, [field('a')], 1));
      for (const [first, body] of [
        [0x40, [0]],
        [0x40, [0, 1, 0]],
        [0x62, [0]],
        [0xc0, [0]],
        [0xe0, [0]],
        [0x32, [field('a'), 0]],
        [0x82, [0]],
        [0x82, [0, 1, field('a')]],
        [0xa2, [0, 1, 0]],
      ] as const)
        await refusedAfterConnect(Buffer.concat([packetOf(first, body), packetOf(0xc0)]));
    });

    it('[MQTT-2.3.1-1] a packet identifier that is 0 ends the connection', async () => {
      await refusedAfterConnect(packetOf(0x32, [field('t/a'), 0, 0, Buffer.from('x')]));
      await refusedAfterConnect(packetOf(0x34, [field('t/a'), 0, 0, Buffer.from('x')]));
      await refusedAfterConnect(packetOf(0x82, [0, 0, field('t/a'), 0]));
      await refusedAfterConnect(packetOf(0xa2, [0, 0, field('t/a')]));
    });

    for (const clean of [true, false]) {
      it(`[MQTT-2.3.1-2] [MQTT-2.3.1-4] the server gives each message an identifier not in use (clean session ${Number(clean)})`, async () => {
        const here = topic();
        const raw = await enter({ clientId: name(), clean });
        await granted(raw, here, 1);
        const publisher = await enter();
        const ids = new Set<number | undefined>();
        for (let n = 1; n <= 40; n += 1) await deliver(publisher, publish(here, String(n), { qos: 1, messageId: n }));
        while (ids.size < 40) ids.add((await raw.next('publish')).messageId);
        expect([...ids].every((id = 0) => id > 0 && id <= 65_535)).to.equal(true);
      });
    }

    it('[MQTT-2.3.1-3] an identifier is free again when its handshake is done', async () => {
      const here = topic();
      const [publisher, raw] = [await enter(), await subscriber(here, 2)];
      for (const qos of [1, 2, 1, 2] as const) await deliver(publisher, publish(here, String(qos), { qos, messageId: 7 }));
      expect(texts(await heard(raw, 4))).to.deep.equal(['1', '2', '1', '2']);
    });

    it('[MQTT-2.3.1-5] a message with QoS 0 has no identifier', async () => {
      const here = topic();
      const raw = await subscriber(here, 1);
      const before = raw.bytes.length;
      const publisher = await enter();
      publisher.write(packetOf(0x30, [field(here), Buffer.from('payload')]));
      await raw.next('publish');
      expect(raw.bytes.subarray(before)).to.deep.equal(packetOf(0x30, [field(here), Buffer.from('payload')]));
    });

    it('[MQTT-2.3.1-6] [MQTT-2.3.1-7] each acknowledgement has the identifier of what it acknowledges', async () => {
      const raw = await enter();
      for (const messageId of [1, 258, 65_535]) {
        await deliver(raw, publish('t/x', '', { qos: 1, messageId }));
        await deliver(raw, publish('t/x', '', { qos: 2, messageId }));
        raw.send(subscribe('t/y', 0, messageId));
        expect((await raw.next('suback')).messageId).to.equal(messageId);
        raw.send({ cmd: 'unsubscribe', messageId, unsubscriptions: ['t/y'] });
        expect((await raw.next('unsuback')).messageId).to.equal(messageId);
      }
    });
  });

  describe('CONNECT and CONNACK (sections 3.1 and 3.2)', () => {
    it('[MQTT-3.1.0-1] any other packet in front of CONNECT ends the connection', async () => {
      const here = topic();
      const raw = await subscriber(here);
      for (const bytes of [
        packetOf(0x30, [field(here), Buffer.from('x')]),
        packetOf(0x82, [0, 1, field('a'), 0]),
        packetOf(0xa2, [0, 1, field('a')]),
        packetOf(0x40, [0, 1]),
        packetOf(0xc0),
        packetOf(0xe0),
      ])
        await refusedAtOnce(bytes);
      expect(await heard(raw)).to.deep.equal([]);
    });

    it('[MQTT-3.1.0-2] a second CONNECT ends the connection', async () => {
      const raw = await enter();
      raw.send(connectPacket(login));
      await raw.closed();
      expect(raw.rest).to.deep.equal([]);
      const pipelined = await open();
      pipelined.send(connectPacket(login), connectPacket(login));
      await pipelined.closed();
    });

    it('[MQTT-3.1.2-1] another protocol name ends the connection', async () => {
      for (const protocol of ['mqtt', 'MQTTX', 'HTTP', '']) await refusedAtOnce(connectBytes(2, [field('x')], protocol));
    });

    it('[MQTT-3.1.2-2] a protocol level that is not served is answered with 1, and the connection ends', async () => {
      for (const level of [0, 1, 2, 3, 6, 127]) await refusedWith(connectBytes(2, [field('x')], 'MQTT', level), 1);
      await refusedWith(packetOf(0x10, [field('MQTT'), 5, 2, 0, 0, 0, field('x')]), 1);
      await refusedWith(connectBytes(2, [field('x')], 'MQIsdp', 5), 1);
    });

    it('MQTT 3.1 is served too, under its own name, and under it level 4', async () => {
      for (const level of [3, 4]) {
        const raw = await open();
        raw.write(connectBytes(0xc2, [field(name()), field(login.username), field(login.password)], 'MQIsdp', level));
        expect(await raw.next('connack')).to.include({ returnCode: 0 });
      }
    });

    it('[MQTT-3.1.2-3] the reserved connect flag ends the connection', () => refusedAtOnce(connectBytes(3, [field('x')])));

    it('[MQTT-3.1.2-4] [MQTT-3.1.3-2] without clean session a client id finds its session again', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      expect(first.sessionPresent).to.equal(false);
      await granted(first, here, 1);
      first.send({ cmd: 'disconnect' });
      await first.closed();
      const second = await kept(id);
      expect(second.sessionPresent).to.equal(true);
      await deliver(await enter(), publish(here, 'x', { qos: 1 }));
      expect(texts(await heard(second, 1))).to.deep.equal(['x']);
      expect((await kept(name())).sessionPresent).to.equal(false);
    });

    it('[MQTT-3.1.2-5] what comes with QoS 1 and 2 while the client is away is stored', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 2);
      first.cut();
      const publisher = await enter();
      await deliver(publisher, publish(here, 'one', { qos: 1 }));
      await deliver(publisher, publish(here, 'two', { qos: 2 }));
      expect(texts(await heard(await kept(id), 2))).to.deep.equal(['one', 'two']);
    });

    it('[MQTT-3.1.2-6] a clean session discards what was there and ends with its connection', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 1);
      first.cut();
      const second = await enter({ clientId: id, clean: true });
      await granted(second, here, 1);
      second.cut();
      await deliver(await enter(), publish(here, 'x', { qos: 1 }));
      const third = await kept(id);
      expect(third.sessionPresent).to.equal(false);
      expect(await heard(third)).to.deep.equal([]);
    });

    it('[MQTT-3.1.2-7] retained messages belong to no session: they outlive it', async () => {
      const here = topic();
      const raw = await enter();
      await deliver(raw, publish(here, 'kept', { qos: 1, retain: true }));
      raw.cut();
      const late = await enter();
      await granted(late, here, 1);
      expect(texts(await heard(late, 1))).to.deep.equal(['kept']);
    });

    it('[MQTT-3.1.2-8] a will is published when the connection ends without DISCONNECT: cut, by an error, by keep-alive', async () => {
      const here = topic();
      const watcher = await subscriber(here, 1);
      const dying = (text: string, more: Connect = {}) =>
        enter({ will: { topic: here, payload: Buffer.from(text), qos: 1 }, ...more });
      (await dying('cut')).cut();
      expect(String((await watcher.next('publish')).payload)).to.equal('cut');
      (await dying('error')).write(Buffer.of(0, 0));
      expect(String((await watcher.next('publish')).payload)).to.equal('error');
      await dying('silent', { keepalive: 1 });
      expect(String((await watcher.next('publish')).payload)).to.equal('silent');
    });

    it('[MQTT-3.1.2-9] the will flag wants a topic and a message', async () => {
      await refusedAtOnce(connectBytes(6, [field('x')]));
      await refusedAtOnce(connectBytes(6, [field('x'), field('t/a')]));
    });

    it('[MQTT-3.1.2-10] [MQTT-3.14.4-3] [MQTT-3.1.2-12] DISCONNECT discards the will, and where there is none nothing is published', async () => {
      const here = topic();
      const watcher = await subscriber(here, 1);
      const polite = await enter({ will: { topic: here, payload: Buffer.from('wrong'), qos: 1 } });
      polite.send({ cmd: 'disconnect' });
      await polite.closed();
      (await enter()).cut();
      expect(await heard(watcher)).to.deep.equal([]);
    });

    it('[MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15] without the will flag neither its QoS nor retain may be set', async () => {
      for (const flags of [0x0a, 0x12, 0x22]) await refusedAtOnce(connectBytes(flags, [field('x')]));
    });

    it('[MQTT-3.1.2-14] a will has no QoS 3', () => refusedAtOnce(connectBytes(0x1e, [field('x'), field('t/a'), field('gone')])));

    for (const retain of [false, true]) {
      const rule = retain ? '[MQTT-3.1.2-17] a will that asks for it is retained' : '[MQTT-3.1.2-16] another will is not';
      it(rule, async () => {
        const here = topic();
        const watcher = await subscriber(here, 1);
        (await enter({ will: { topic: here, payload: Buffer.from('gone'), qos: 1, retain } })).cut();
        await watcher.next('publish');
        const late = await subscriber(here, 1);
        expect(texts(await heard(late, Number(retain)))).to.deep.equal(retain ? ['gone'] : []);
      });
    }

    it('[MQTT-3.1.2-18] to [MQTT-3.1.2-21] name and password are there as the flags say, no less and no more', async () => {
      await refusedAtOnce(connectBytes(0x82, [field('x')]));
      await refusedAtOnce(connectBytes(0xc2, [field('x'), field('name')]));
      await refusedAtOnce(connectBytes(2, [field('x'), field('name')]));
      await refusedAtOnce(connectBytes(0x82, [field('x'), field('name'), field('password')]));
    });

    it('[MQTT-3.1.2-22] there is no password without a name', () =>
      refusedAtOnce(connectBytes(0x42, [field('x'), field('password')])));

    it('[MQTT-3.1.2-23] [MQTT-3.1.2-24] a client that is silent for 1.5 times its keep-alive is cut, another one is not', async () => {
      const begun = performance.now();
      const [silent, lively] = [await enter({ keepalive: 1 }), await enter({ keepalive: 1 })];
      const ping = (): void => lively.send({ cmd: 'pingreq' });
      const pings = setInterval(ping, 500);
      try {
        await silent.closed();
        expect(performance.now() - begun).to.be.within(1_400, 3_000);
        await until(() => lively.rest.length >= 4);
        expect(lively.isClosed).to.equal(false);
      } finally {
        clearInterval(pings);
      }
    });

    it('[MQTT-3.1.3-1] client id, will topic, will message, name and password stand in this order', async () => {
      const here = topic();
      const raw = await open();
      raw.write(
        connectBytes(0xc6, [field(name()), field(here), field('last words'), field(login.username), field(login.password)]),
      );
      expect(await raw.next('connack')).to.include({ returnCode: 0 });
      const watcher = await subscriber(here);
      raw.cut();
      expect(String((await watcher.next('publish')).payload)).to.equal('last words');
    });

    it('[MQTT-3.1.3-3] there is a client id', () => refusedAtOnce(connectBytes(2, [])));

    it('[MQTT-3.1.3-5] a client id may have 23 letters and digits, and more', async () => {
      for (const clientId of ['0123456789abcdefghijklm', 'NOPQRSTUVWXYZ', 'x'.repeat(1_024), 'ü/+#$ 😀']) {
        const raw = await enter({ clientId });
        expect(raw.isClosed).to.equal(false);
      }
    });

    it('[MQTT-3.1.3-6] an empty client id gets one of its own', async () => {
      const [a, b] = [await enter(), await enter()];
      a.send({ cmd: 'pingreq' });
      b.send({ cmd: 'pingreq' });
      await a.next('pingresp');
      await b.next('pingresp');
    });

    it('[MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.2.2-4] an empty client id without clean session is refused with 2', () =>
      refusedWith(connectBytes(0xc0, [field(''), field(login.username), field(login.password)]), 2));

    it('[MQTT-3.1.3-9] a client id that is not taken is refused with 2', () =>
      refusedWith(connectBytes(0xc2, [field('x'.repeat(1_025)), field(login.username), field(login.password)]), 2));

    it('[MQTT-3.1.4-1] a CONNECT that is cut off, or has something behind it, ends the connection without CONNACK', async () => {
      await refusedAtOnce(packetOf(0x10, [field('MQTT'), 4, 2, 0]));
      await refusedAtOnce(packetOf(0x10, [field('MQTT'), 4]));
      await refusedAtOnce(packetOf(0x10, [field('MQ')]));
      await refusedAtOnce(packetOf(0x10));
      await refusedAtOnce(connectBytes(2, [field('x'), 0]));
    });

    it('[MQTT-3.1.4-2] a client id that comes again ends its older connection', async () => {
      const clientId = name();
      const first = await enter({ clientId });
      const second = await enter({ clientId });
      await first.closed();
      second.send({ cmd: 'pingreq' });
      await second.next('pingresp');
    });

    it('[MQTT-3.1.4-3] [MQTT-3.1.4-4] [MQTT-3.2.0-1] CONNACK with 0 is the first packet, whatever waits or is published meanwhile', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 1);
      const publisher = await enter();
      let sending = true;
      const flood = (async () => {
        for (let n = 0; sending; n += 1) await deliver(publisher, publish(here, String(n), { qos: n % 2 === 0 ? 1 : 0 }));
      })();
      for (let round = 0; round < 15; round += 1) {
        const again = await kept(id);
        expect(again.sessionPresent).to.equal(true);
        again.cut();
      }
      sending = false;
      await flood;
    });

    it('[MQTT-3.1.4-5] [MQTT-3.2.2-5] of a client that is refused nothing more is processed, and its connection ends', async () => {
      const here = topic();
      const watcher = await subscriber(here);
      const raw = await open();
      raw.send(connectPacket({ ...login, password: Buffer.from('wrong') }), publish(here, 'x'));
      expect(await raw.next('connack')).to.include({ returnCode: 4, sessionPresent: false });
      await raw.closed();
      expect(await heard(watcher)).to.deep.equal([]);
    });

    it('a client need not wait for CONNACK, and what it sends stays in order (section 3.1.4)', async () => {
      const here = topic();
      const watcher = await subscriber(here, 1);
      const raw = await open();
      const all = Array.from({ length: 200 }, (_, n) => String(n));
      raw.send(connectPacket(login), ...all.slice(0, 150).map((text, n) => publish(here, text, { qos: 1, messageId: n + 1 })));
      await raw.next('connack');
      raw.send(...all.slice(150).map((text, n) => publish(here, text, { qos: 1, messageId: n + 151 })));
      const got: string[] = [];
      while (got.length < all.length) got.push(String((await watcher.next('publish')).payload));
      expect(got).to.deep.equal(all);
    });

    it('[MQTT-3.2.2-1] to [MQTT-3.2.2-3] session present is set if a session goes on, and only then', async () => {
      const id = name();
      expect((await enter({ clientId: id, clean: true })).sessionPresent).to.equal(false);
      expect((await kept(id)).sessionPresent).to.equal(false);
      expect((await kept(id)).sessionPresent).to.equal(true);
      expect((await enter({ clientId: id, clean: true })).sessionPresent).to.equal(false);
    });
  });

  describe('PUBLISH (section 3.3)', () => {
    it('[MQTT-3.3.1-1] [MQTT-4.4.0-1] what was not acknowledged comes again under its identifier, with DUP', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 2);
      const publisher = await enter();
      await deliver(publisher, publish(here, 'one', { qos: 1 }));
      await deliver(publisher, publish(here, 'two', { qos: 2 }));
      await deliver(publisher, publish(here, 'released', { qos: 2 }));
      const sent = [await first.next('publish'), await first.next('publish'), await first.next('publish')];
      expect(sent.map(({ dup }) => dup)).to.deep.equal([false, false, false]);
      first.send({ cmd: 'pubrec', messageId: sent[2]?.messageId ?? 0 });
      await first.next('pubrel');
      first.cut();
      const second = await kept(id);
      const again = [await second.next('publish'), await second.next('publish')];
      expect(again.map(({ dup, messageId, qos }) => [dup, messageId, qos])).to.deep.equal([
        [true, sent[0]?.messageId, 1],
        [true, sent[1]?.messageId, 2],
      ]);
      expect((await second.next('pubrel')).messageId).to.equal(sent[2]?.messageId);
    });

    it('[MQTT-3.3.1-2] DUP with QoS 0 ends the connection', () => refusedAfterConnect(packetOf(0x38, [field('t/a')])));

    it('[MQTT-3.3.1-3] DUP of an incoming message is not handed on', async () => {
      const here = topic();
      const raw = await subscriber(here, 1);
      await deliver(await enter(), publish(here, 'x', { qos: 1, dup: true }));
      expect((await raw.next('publish')).dup).to.equal(false);
    });

    it('[MQTT-3.3.1-4] QoS 3 ends the connection', () => refusedAfterConnect(packetOf(0x36, [field('t/a'), 0, 1])));

    it('[MQTT-3.3.1-5] to [MQTT-3.3.1-9] the last retained message of each topic comes to a new subscription, marked, and live ones unmarked', async () => {
      const here = topic();
      const publisher = await enter();
      await deliver(publisher, publish(`${here}/a`, 'first', { qos: 1, retain: true }));
      await deliver(publisher, publish(`${here}/a`, 'second', { qos: 1, retain: true }));
      publisher.send(publish(`${here}/b`, 'zero', { retain: true }));
      await deliver(publisher, publish(`${here}/c`, 'two', { qos: 2, retain: true }));
      const raw = await enter();
      raw.send(subscribe(`${here}/#`, 1));
      await until(() => raw.rest.length === 4);
      const come = raw.take().filter((packet) => packet.cmd === 'publish');
      expect(come.map(({ payload, retain, qos }) => `${String(payload)} ${retain} ${qos}`).sort()).to.deep.equal([
        'second true 1',
        'two true 1',
        'zero true 0',
      ]);
      await deliver(publisher, publish(`${here}/a`, 'live', { qos: 1, retain: true }));
      expect(await raw.next('publish')).to.include({ retain: false });
    });

    it('[MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty retained message removes what is kept, is not kept, and is delivered', async () => {
      const here = topic();
      const publisher = await enter();
      await deliver(publisher, publish(here, 'kept', { qos: 1, retain: true }));
      const raw = await enter();
      await granted(raw, here, 1);
      expect(String((await raw.find('publish')).payload)).to.equal('kept');
      await deliver(publisher, publish(here, '', { qos: 1, retain: true }));
      expect((await raw.next('publish')).payload).to.have.length(0);
      expect(await heard(await subscriber(here, 1))).to.deep.equal([]);
    });

    it('[MQTT-3.3.1-12] a message without RETAIN neither is kept nor removes what is', async () => {
      const here = topic();
      const publisher = await enter();
      await deliver(publisher, publish(here, 'kept', { qos: 1, retain: true }));
      await deliver(publisher, publish(here, 'live', { qos: 1 }));
      await deliver(publisher, publish(here, '', { qos: 1 }));
      const raw = await enter();
      await granted(raw, here, 1);
      expect(texts(await heard(raw, 1))).to.deep.equal(['kept']);
    });

    it('[MQTT-3.3.2-2] [MQTT-4.7.1-1] [MQTT-4.7.3-1] a topic name with a wildcard, or an empty one, ends the connection', async () => {
      for (const bad of ['#', '+', 't/#', 't/+/a', 't+', 't#', ''])
        await refusedAfterConnect(packetOf(0x30, [field(bad), Buffer.from('x')]));
    });

    it('[MQTT-3.3.4-1] QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC', async () => {
      const raw = await enter();
      raw.send(publish('t/q', ''), publish('t/q', '', { qos: 1, messageId: 1 }), publish('t/q', '', { qos: 2, messageId: 2 }));
      expect((await raw.next('puback')).messageId).to.equal(1);
      expect((await raw.next('pubrec')).messageId).to.equal(2);
    });

    it('[MQTT-3.3.5-1] a message that matches several subscriptions comes with the highest QoS of them', async () => {
      const here = topic();
      const raw = await enter();
      await granted(raw, `${here}/#`, 0);
      await granted(raw, `${here}/+`, 2);
      await granted(raw, `${here}/a`, 1);
      await deliver(await enter(), publish(`${here}/a`, 'x', { qos: 2 }));
      const come = (await heard(raw, 1)).filter((packet) => packet.cmd === 'publish');
      expect(Math.max(...come.map(({ qos }) => qos))).to.equal(2);
    });
  });

  describe('handshakes (sections 3.4 to 3.7 and 4.3)', () => {
    it('[MQTT-4.3.2-1] [MQTT-4.3.2-2] QoS 1: a new identifier and DUP 0 at first; acknowledged, it does not come again', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 1);
      await deliver(await enter(), publish(here, 'x', { qos: 1 }));
      const { messageId = 0, dup } = await first.next('publish');
      expect(dup).to.equal(false);
      first.send({ cmd: 'puback', messageId });
      first.send({ cmd: 'pingreq' });
      await first.next('pingresp');
      first.send({ cmd: 'disconnect' });
      await first.closed();
      expect(await heard(await kept(id))).to.deep.equal([]);
    });

    it('[MQTT-4.3.3-1] QoS 2 out: PUBLISH, PUBREC, PUBREL, PUBCOMP under one identifier; then it does not come again', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, here, 2);
      await deliver(await enter(), publish(here, 'x', { qos: 2 }));
      const { messageId = 0, dup, qos } = await first.next('publish');
      expect([dup, qos]).to.deep.equal([false, 2]);
      first.send({ cmd: 'pubrec', messageId });
      const before = first.bytes.length;
      expect((await first.next('pubrel')).messageId).to.equal(messageId);
      // [MQTT-3.6.1-1] PUBREL has 0010 as its flags.
      expect(first.bytes.subarray(before, before + 1)).to.deep.equal(Buffer.of(0x62));
      first.send({ cmd: 'pubcomp', messageId });
      first.send({ cmd: 'disconnect' });
      await first.closed();
      expect(await heard(await kept(id))).to.deep.equal([]);
    });

    it('[MQTT-4.3.3-2] QoS 2 in: a repeat before PUBREL is acknowledged and not handed on, after it the identifier is a new message', async () => {
      const here = topic();
      const raw = await subscriber(here, 2);
      const publisher = await enter();
      const message = (text: string, dup: boolean) => publish(here, text, { qos: 2, messageId: 5, dup });
      publisher.send(message('a', false), message('a', true));
      await publisher.next('pubrec');
      await publisher.next('pubrec');
      publisher.send(message('a', true));
      await publisher.next('pubrec');
      publisher.send({ cmd: 'pubrel', messageId: 5 });
      expect((await publisher.next('pubcomp')).messageId).to.equal(5);
      publisher.send({ cmd: 'pubrel', messageId: 5 });
      expect((await publisher.next('pubcomp')).messageId).to.equal(5);
      await deliver(publisher, message('b', false));
      expect(texts(await heard(raw, 2))).to.deep.equal(['a', 'b']);
    });

    it('QoS 2 in, over two connections: what was not released is not handed on again (section 4.1)', async () => {
      const [id, here] = [name(), topic()];
      const raw = await subscriber(here, 2);
      const first = await kept(id);
      first.send(publish(here, 'a', { qos: 2, messageId: 5 }));
      await first.next('pubrec');
      first.cut();
      const second = await kept(id);
      second.send(publish(here, 'a', { qos: 2, messageId: 5, dup: true }));
      await second.next('pubrec');
      second.send({ cmd: 'pubrel', messageId: 5 });
      await second.next('pubcomp');
      await deliver(second, publish(here, 'b', { qos: 2, messageId: 5 }));
      expect(texts(await heard(raw, 2))).to.deep.equal(['a', 'b']);
    });

    it('acknowledgements that nobody waits for do no harm (sections 3.4 to 3.7)', async () => {
      const raw = await enter();
      for (const cmd of ['puback', 'pubcomp'] as const) raw.send({ cmd, messageId: 77 });
      raw.send({ cmd: 'pubrec', messageId: 78 }, { cmd: 'pubrel', messageId: 79 });
      await raw.find('pubcomp');
      raw.send({ cmd: 'pingreq' });
      await raw.find('pingresp');
    });
  });

  describe('SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11)', () => {
    it('[MQTT-3.8.3-3] [MQTT-3.10.3-2] a packet without a filter ends the connection', async () => {
      await refusedAfterConnect(packetOf(0x82, [0, 1]));
      await refusedAfterConnect(packetOf(0xa2, [0, 1]));
    });

    it('[MQTT-3.8.3-4] reserved bits of the requested QoS, and QoS 3, end the connection', async () => {
      for (const options of [3, 4, 0x80, 0xfc]) await refusedAfterConnect(packetOf(0x82, [0, 1, field('t/a'), options]));
    });

    it('[MQTT-3.8.4-1] [MQTT-3.8.4-2] SUBSCRIBE is answered with SUBACK under its identifier', async () => {
      const raw = await enter();
      raw.send(subscribe('t/a', 0, 4_711));
      expect((await raw.next('suback')).messageId).to.equal(4_711);
    });

    it('[MQTT-3.8.4-3] the same filter again replaces the subscription, brings retained messages again, and interrupts nothing', async () => {
      const here = topic();
      const publisher = await enter();
      await deliver(publisher, publish(here, 'kept', { qos: 1, retain: true }));
      const raw = await enter();
      expect(await granted(raw, here, 0)).to.deep.equal([0]);
      expect(await raw.find('publish')).to.include({ retain: true, qos: 0 });
      expect(await granted(raw, here, 1)).to.deep.equal([1]);
      expect(await raw.find('publish')).to.include({ retain: true, qos: 1 });
      expect(await granted(raw, here, 1)).to.deep.equal([1]);
      expect(await raw.find('publish')).to.include({ retain: true, qos: 1 });
      await deliver(publisher, publish(here, 'once', { qos: 1 }));
      expect(texts(await heard(raw, 1))).to.deep.equal(['once']);
    });

    it('[MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] SUBACK has a code for each filter, in order, though one is there twice', async () => {
      const raw = await enter();
      raw.send({
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [
          { topic: 't/a', qos: 2 },
          { topic: '$rollcall/session', qos: 1 },
          { topic: 't/b', qos: 0 },
          { topic: 't/a', qos: 1 },
          { topic: 't/c', qos: 1 },
        ],
      });
      const { granted: codes } = await raw.next('suback');
      expect(codes).to.have.length(5);
      expect(codes.slice(1)).to.deep.equal([128, 0, 1, 1]);
      // [MQTT-3.9.3-2] only these codes are in use.
      expect([1, 2]).to.include(codes[0]);
      await deliver(await enter(), publish('t/a', 'x', { qos: 2 }));
      expect(await raw.find('publish')).to.include({ qos: 1 });
    });

    it('[MQTT-3.8.4-6] a message comes with the lower QoS of what was published and what was granted', async () => {
      const publisher = await enter();
      for (const wanted of [0, 1, 2] as const) {
        const here = topic();
        const raw = await subscriber(here, wanted);
        for (const qos of [0, 1, 2] as const) await deliver(publisher, publish(here, '', { qos }));
        const come = (await heard(raw, 3)).filter((packet) => packet.cmd === 'publish');
        expect(come.map(({ qos }) => qos)).to.deep.equal([0, 1, 2].map((qos) => Math.min(qos, wanted)));
      }
    });

    it('[MQTT-3.10.4-1] [MQTT-3.10.4-2] what is unsubscribed, letter by letter, comes no more, and nothing else is', async () => {
      const here = topic();
      const raw = await enter();
      await granted(raw, [`${here}/a`, `${here}/A`, `${here}/+`], 0);
      raw.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: [`${here}/a`, `${here}/x`, `${here}/+`] });
      await raw.next('unsuback');
      const publisher = await enter();
      for (const last of ['a', 'A', 'x']) await deliver(publisher, publish(`${here}/${last}`, last, { qos: 1 }));
      expect(texts(await heard(raw, 1))).to.deep.equal(['A']);
    });

    it('[MQTT-3.10.4-3] a delivery with QoS 1 that has begun goes on after UNSUBSCRIBE', async () => {
      const [id, here] = [name(), topic()];
      const raw = await kept(id);
      await granted(raw, here, 1);
      await deliver(await enter(), publish(here, 'x', { qos: 1 }));
      const { messageId } = await raw.next('publish');
      raw.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: [here] });
      await raw.next('unsuback');
      raw.cut();
      expect(await (await kept(id)).next('publish')).to.include({ messageId, dup: true });
    });

    it('packets that are sent together are carried out one after the other', async () => {
      const here = topic();
      const raw = await enter();
      raw.send(subscribe(here, 1, 1), publish(here, 'own', { qos: 1 }));
      expect(String((await raw.find('publish')).payload)).to.equal('own');
      raw.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [here] }, subscribe(here, 1, 3));
      await raw.find('unsuback');
      await raw.find('suback');
      await deliver(await enter(), publish(here, 'x', { qos: 1 }));
      expect(texts(await heard(raw, 1))).to.deep.equal(['x']);
    });

    it('[MQTT-3.10.4-4] to [MQTT-3.10.4-6] UNSUBSCRIBE of one filter, of several, of none that is there, is answered once', async () => {
      const raw = await enter();
      await granted(raw, ['t/a', 't/b']);
      for (const unsubscriptions of [['t/a'], ['t/b', 't/none', 't/none'], ['t/none']]) {
        raw.send({ cmd: 'unsubscribe', messageId: 11, unsubscriptions });
        expect((await raw.next('unsuback')).messageId).to.equal(11);
      }
      expect(await heard(raw)).to.deep.equal([]);
    });
  });

  describe('PINGREQ and DISCONNECT (sections 3.12 to 3.14)', () => {
    it('[MQTT-3.12.4-1] PINGREQ is answered', async () => {
      const raw = await enter();
      raw.send({ cmd: 'pingreq' }, { cmd: 'pingreq' });
      await raw.next('pingresp');
      await raw.next('pingresp');
    });

    it('[MQTT-3.14.4-1] [MQTT-3.14.4-2] after DISCONNECT the server ends the connection and takes nothing more', async () => {
      const here = topic();
      const watcher = await subscriber(here);
      const raw = await enter();
      raw.send({ cmd: 'disconnect' }, publish(here, 'late'));
      await raw.closed();
      expect(await heard(watcher)).to.deep.equal([]);
    });

    for (const qos of [0, 1, 2] as const) {
      it(`a message with QoS ${qos} in front of DISCONNECT reaches everybody`, async () => {
        const [id, here] = [name(), topic()];
        const [live, stored] = [await subscriber(here, 2), await kept(id)];
        await granted(stored, here, 2);
        const raw = await enter();
        raw.send(publish(here, 'last', { qos }), { cmd: 'disconnect' });
        await raw.closed();
        expect(String((await live.next('publish')).payload)).to.equal('last');
        expect(String((await stored.next('publish')).payload)).to.equal('last');
      });
    }
  });

  describe('storage and order (sections 4.5 and 4.6)', () => {
    it('[MQTT-4.5.0-1] a message is in the session of everybody who subscribes to it before it is acknowledged', async () => {
      const [id, here] = [name(), topic()];
      const first = await kept(id);
      await granted(first, `${here}/#`, 1);
      first.cut();
      const publisher = await enter();
      for (let n = 1; n <= 5; n += 1) await deliver(publisher, publish(`${here}/x`, String(n), { qos: 1, messageId: n }));
      expect(texts(await heard(await kept(id), 5))).to.deep.equal(['1', '2', '3', '4', '5']);
    });

    it('[MQTT-4.6.0-2] [MQTT-4.6.0-3] PUBACK and PUBREC come in the order of the messages', async () => {
      const id = name();
      for (const clean of [true, false]) {
        for (const [qos, cmd] of [
          [1, 'puback'],
          [2, 'pubrec'],
        ] as const) {
          const raw = await enter({ clientId: id, clean });
          const ids = Array.from({ length: 50 }, (_, n) => n + 1);
          raw.send(...ids.map((messageId) => publish(`t/${messageId % 3}`, '', { qos, messageId })));
          const got: number[] = [];
          while (got.length < ids.length) got.push((await raw.next(cmd)).messageId ?? 0);
          expect(got).to.deep.equal(ids);
        }
      }
    });

    it('[MQTT-4.6.0-4] PUBREL goes out in the order in which PUBREC came', async () => {
      for (const clean of [true, false]) {
        const here = topic();
        const raw = await enter({ clientId: name(), clean });
        await granted(raw, here, 2);
        const publisher = await enter();
        const ids: number[] = [];
        for (let n = 1; n <= 20; n += 1) {
          await deliver(publisher, publish(here, String(n), { qos: 2, messageId: n }));
          ids.push((await raw.next('publish')).messageId ?? 0);
        }
        const order = [...ids].reverse();
        raw.send(...order.map((messageId) => ({ cmd: 'pubrec', messageId }) as const));
        const got: number[] = [];
        while (got.length < ids.length) got.push((await raw.next('pubrel')).messageId ?? 0);
        expect(got).to.deep.equal(order);
      }
    });

    for (const qos of [0, 1, 2] as const) {
      it(`[MQTT-4.6.0-5] [MQTT-4.6.0-6] messages of one client with QoS ${qos} come in their order, live and stored`, async () => {
        const [id, here] = [name(), topic()];
        const [live, stored, publisher] = [
          await subscriber(here, 2),
          await kept(id),
          await enter({ clientId: name(), clean: false }),
        ];
        await granted(stored, here, 2);
        const liveStored = await kept(name());
        await granted(liveStored, here, 2);
        stored.cut();
        const all = Array.from({ length: 100 }, (_, n) => String(n));
        publisher.send(...all.map((text, n) => publish(here, text, { qos, messageId: n + 1 })));
        const read = async (raw: Raw): Promise<readonly string[]> => {
          const got: string[] = [];
          while (got.length < all.length) got.push(String((await raw.next('publish')).payload));
          return got;
        };
        expect(await read(live)).to.deep.equal(all);
        expect(await read(liveStored)).to.deep.equal(all);
        if (qos > 0) {
          await heard(publisher);
          expect(await read(await kept(id))).to.deep.equal(all);
        }
      });
    }
  });

  describe('topics (section 4.7)', () => {
    it('[MQTT-4.7.1-2] # stands alone on the last level, [MQTT-4.7.1-3] + alone on any: other filters end the connection', async () => {
      for (const bad of ['a#', 'a/b#', '#/a', 'a/#/b', '##', '#a', 'a+', '+a', 'a/+b', 'a/b+/c', '++', 'a/+#', '+#']) {
        await refusedAfterConnect(packetOf(0x82, [0, 1, field(bad), 0]));
        await refusedAfterConnect(packetOf(0xa2, [0, 1, field(bad)]));
      }
      await refusedAfterConnect(packetOf(0x82, [0, 1, field(''), 0]));
    });

    const table: readonly (readonly [filter: string, matching: readonly string[], others: readonly string[]])[] = [
      ['*/s/#', ['*/s', '*/s/', '*/s/r', '*/s/r/w', '*/s//'], ['*/sx', '*', '/*/s']],
      ['*/s/+', ['*/s/a', '*/s/'], ['*/s', '*/s/a/b', '*/s/a/']],
      ['*/+/r', ['*/a/r', '*//r'], ['*/r', '*/a/b/r']],
      ['*/+', ['*/a', '*/'], ['*', '*/a/b']],
      ['+/*', ['/*', 'a/*'], ['*', 'a/b/*']],
      ['/*', ['/*'], ['*', '//*']],
      ['*/A', ['*/A'], ['*/a']],
      ['*/ä', ['*/ä'], ['*/a\u0308']],
      ['*/+/+/#', ['*/a/b', '*///', '*/a/b/c'], ['*/a']],
    ];
    for (const [pattern, matching, others] of table) {
      it(`[MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.3-4] ${pattern} matches ${matching.join(', ')} and not ${others.join(', ')}`, async () => {
        const mark = name();
        const at = (text: string): string => text.replace('*', mark);
        const [raw, stored, publisher] = [await subscriber(at(pattern), 1), await kept(name()), await enter()];
        await granted(stored, at(pattern), 1);
        const send = async (more: Partial<Publish>): Promise<void> => {
          for (const one of [...matching, ...others]) await deliver(publisher, publish(at(one), one, { qos: 1, ...more }));
        };
        await send({});
        const expected = [...matching].sort();
        expect([...texts(await heard(raw, expected.length))].sort()).to.deep.equal(expected);
        expect([...texts(await heard(stored, expected.length))].sort()).to.deep.equal(expected);
        await send({ retain: true });
        const late = await enter();
        await granted(late, at(pattern), 1);
        expect([...texts(await heard(late, expected.length))].sort()).to.deep.equal(expected);
      });
    }

    it('[MQTT-4.7.2-1] a wildcard in front does not match a topic that begins with $', async () => {
      const raw = await enter();
      expect(await granted(raw, ['#', '+/+/new/subscribes', '$SYS/#'], 1)).to.deep.equal([1, 1, 1]);
      await (await subscriber(topic())).cut();
      await until(() => raw.rest.some((packet) => packet.cmd === 'publish' && packet.topic.startsWith('$SYS/')));
      const wild = await enter();
      await granted(wild, ['#', '+/+/new/subscribes'], 1);
      await (await subscriber(topic())).cut();
      expect((await heard(wild)).filter((packet) => packet.cmd === 'publish' && packet.topic.startsWith('$'))).to.deep.equal([]);
    });

    it('[MQTT-4.7.3-3] a topic may be as long as the limit says, in UTF-8', async () => {
      const long = `t/${'ü'.repeat(2_047)}`;
      const raw = await subscriber(long, 1);
      await deliver(await enter(), publish(long, 'x', { qos: 1 }));
      expect((await raw.next('publish')).topic).to.equal(long);
    });
  });

  it('[MQTT-4.8.0-1] whatever breaks the protocol ends its own connection, and no other', async () => {
    const here = topic();
    const raw = await subscriber(here);
    await refusedAfterConnect(Buffer.of(0xf0, 0));
    await deliver(await enter(), publish(here, 'x', { qos: 1 }));
    expect(texts(await heard(raw, 1))).to.deep.equal(['x']);
  });

  describe('websocket (section 6)', () => {
    const socketTo = async (protocols: readonly string[]): Promise<{ readonly socket: WebSocket; readonly got: Buffer[] }> => {
      const socket = new WebSocket(web, [...protocols]);
      const got: Buffer[] = [];
      socket.on('message', (data: Buffer, isBinary) => got.push(isBinary ? data : Buffer.from('text')));
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      return { socket, got };
    };
    const bytes = () => connectBytes(0xc2, [field(''), field(login.username), field(login.password)]);

    it('[MQTT-6.0.0-3] [MQTT-6.0.0-4] the subprotocol is mqtt', async () => {
      const { socket } = await socketTo(['mqtt']);
      expect(socket.protocol).to.equal('mqtt');
      socket.terminate();
    });

    it('[MQTT-6.0.0-2] packets may lie across frames, and several in one', async () => {
      const { socket, got } = await socketTo(['mqtt']);
      for (const byte of bytes()) socket.send(Buffer.of(byte));
      await until(() => Buffer.concat(got).equals(Buffer.of(0x20, 2, 0, 0)));
      socket.send(Buffer.of(0xc0, 0, 0xc0, 0));
      await until(() => Buffer.concat(got).length === 8);
      socket.terminate();
    });

    it('[MQTT-3.1.2-2] a protocol level that is not served is answered there too', async () => {
      const { socket, got } = await socketTo(['mqtt']);
      let isClosed = false;
      socket.on('close', () => (isClosed = true));
      socket.send(packetOf(0x10, [field('MQTT'), 5, 2, 0, 0, 0, field('x')]));
      await until(() => isClosed);
      expect(Buffer.concat(got)).to.deep.equal(Buffer.of(0x20, 2, 0, 1));
    });

    it('[MQTT-6.0.0-1] a text frame ends the connection', async () => {
      const { socket } = await socketTo(['mqtt']);
      let isClosed = false;
      socket.on('close', () => (isClosed = true));
      socket.send(bytes().toString('latin1'));
      await until(() => isClosed);
    });
  });
});
