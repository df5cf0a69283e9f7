import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
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
});
