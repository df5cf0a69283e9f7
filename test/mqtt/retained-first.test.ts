import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';

onBothStores('Retained MQTT messages and what comes behind them', (registries) => {
  let registry: Registry;
  before(async () => {
    registry = await registries.start({ mqttPort: 0, adminPassword });
    const stage = await openStage(registry.url);
    await stage.user('anna', { 'plant/#': 'readWrite' });
  });
  afterEach(closeClients);

  const as = (clientId: string, more: object = {}) =>
    connectMqtt(registry.mqtt[0] ?? '', { username: 'anna', password: 'secret1', clientId, ...more });

  for (const clean of [true, false]) {
    it(`what is published after SUBACK comes behind them, each once, to a ${clean ? 'clean' : 'kept'} session`, async () => {
      const anna = await as('anna');
      const names = Array.from({ length: 40 }, (_, n) => `plant/${n}`);
      for (const topic of names) await anna.publish(topic, 'old', { qos: 1, retain: true });
      for (const qos of [0, 1, 2] as const) {
        const reader = await as(`reader-${qos}`, { clean });
        await reader.subscribe('plant/#', 2);
        const newer = names.map((topic) => reader.publish(topic, 'new', { qos }));
        await until(() => reader.got.length >= 80);
        await Promise.all(newer);
        expect(reader.got.map(({ text, retain }) => `${text} ${retain}`)).to.deep.equal([
          ...names.map(() => 'old true'),
          ...names.map(() => 'new false'),
        ]);
        expect(reader.got.slice(40).map(({ topic }) => topic)).to.deep.equal(names);
      }
    });
  }
});
