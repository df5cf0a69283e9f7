import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { createDeniedPublishes } from '@rollcall/server/internal/mqtt/denied-publishes';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';

onBothStores('publishes to topics that a client may not publish to', (registries) => {
  let registry: Registry;
  before(async () => {
    registry = await registries.start({ mqttPort: 0, adminPassword });
    const stage = await openStage(registry.url);
    await stage.user('anna', { 'plant/#': 'readWrite' });
  });
  afterEach(closeClients);

  const connected = async () => {
    const broker = registry.mqtt[0] ?? '';
    const admin = await connectMqtt(broker, { username: 'admin', password: adminPassword });
    await admin.subscribe('#', 1);
    return { admin, anna: await connectMqtt(broker, { username: 'anna', password: 'secret1', clientId: 'anna' }) };
  };

  for (const qos of [0, 1, 2] as const) {
    it(`are acknowledged and dropped with QoS ${qos}, and the connection stays (W9)`, async () => {
      const { admin, anna } = await connected();
      for (const topic of ['$SYS/broker/connection/x/state', '$other', 'hall/1']) {
        await anna.publish(topic, 'dropped', { qos, retain: true });
        await admin.publish('$SYS/broker/uptime', 'dropped', { qos, retain: true });
      }
      await anna.publish('plant/1', 'taken', { qos });
      await until(() => admin.texts('plant/1').includes('taken'));
      expect(admin.got.filter(({ text }) => text === 'dropped')).to.deep.equal([]);
      expect(anna.mqtt.connected && admin.mqtt.connected).to.equal(true);
    });
  }

  it('are counted (W9)', async () => {
    const metrics = await (await fetch(`${registry.url}/metrics`)).text();
    expect(metrics).to.match(/rollcall_refusals_total\{kind="mqtt-publish"\} 3/);
  });

  it('close the connection without an acknowledgement if the setting says so, and topics of the broker’s own do not (W9)', async () => {
    const closing = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', adminPassword });
    await (await openStage(closing.url)).user('anna', { 'plant/#': 'readWrite' });
    const anna = await connectMqtt(closing.mqtt[0] ?? '', { username: 'anna', password: 'secret1', clientId: 'anna' });
    await anna.publish('$SYS/broker/connection/x/state', '1', { qos: 1, retain: true });
    let isAcknowledged = false;
    const published = anna.publish('hall/1', 'denied', { qos: 1 }).then(
      () => (isAcknowledged = true),
      () => undefined,
    );
    await anna.closed();
    anna.mqtt.end(true);
    await Promise.race([published, Promise.resolve()]);
    expect(isAcknowledged).to.equal(false);
  });
});

describe('the log of publishes that were denied', () => {
  it('has a client once a minute, and each is counted (W9)', () => {
    let at = 1_000;
    let counted = 0;
    const logged: unknown[] = [];
    const log = { warn: (about: unknown) => void logged.push(about) } as unknown as Parameters<
      typeof createDeniedPublishes
    >[0]['log'];
    const denied = createDeniedPublishes({ count: () => (counted += 1), log, clock: { now: () => at } });
    const all = (): void => {
      for (const clientId of ['a', 'a', 'b']) denied(clientId, 'hall/1');
    };
    all();
    at += 59_999;
    all();
    expect(logged).to.deep.equal(['a', 'b'].map((clientId) => ({ clientId, topic: 'hall/1' })));
    at += 1;
    all();
    expect(logged).to.have.length(4);
    expect(counted).to.equal(9);
  });
});
