import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf, type TestClient } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';

onBothStores('the filters of MQTT clients and sessions are bounded in memory', (registries) => {
  let registry: Registry;
  const options = { mqttPort: 0, adminPassword, mqttFilterLevelsPerOwner: 20, mqttFilterLevels: 29 };
  before(async () => {
    registry = await registries.start(options);
    const stage = await openStage(registry.url);
    for (const name of ['anna', 'bert', 'carl']) await stage.user(name, { 'plant/#': 'readWrite' });
  });
  afterEach(closeClients);

  let clients = 0;
  const login = (username: string, clientId: string, clean = false) => ({
    username,
    password: 'secret1',
    clientId: clientId === '' ? `c${(clients += 1)}` : clientId,
    clean,
  });
  const as = (...given: Parameters<typeof login>): Promise<TestClient> => connectMqtt(registry.mqtt[0] ?? '', login(...given));
  const refusal = (...given: Parameters<typeof login>) => refusalOf(registry.mqtt[0] ?? '', login(...given));
  const filters = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `plant/${n}/a`);

  it('filters beyond the levels of one owner are refused, those of others are not', async () => {
    const anna = await as('anna', 'one');
    expect(await anna.subscribe(filters(6), 1)).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(await anna.subscribe('plant/more', 1)).to.deep.equal([128]);
    expect(await anna.subscribe('plant/0/a', 0)).to.deep.equal([0]);
    expect(await (await as('bert', 'other')).subscribe('plant/more', 1)).to.deep.equal([1]);
    const second = await as('anna', 'two');
    expect(await second.subscribe('plant', 1)).to.deep.equal([128]);
    expect(await refusal('anna', 'three')).to.equal(3);
    expect(await refusal('anna', 'one')).to.equal(0);
  });

  it('and those beyond the levels of all, whoever asks', async () => {
    const bert = await as('bert', 'other');
    expect(await bert.subscribe(filters(2), 1)).to.deep.equal([1, 1]);
    const carl = await as('carl', 'his', true);
    expect(await refusal('carl', 'kept')).to.equal(3);
    expect(await carl.subscribe('plant/#', 1)).to.deep.equal([1]);
  });

  it('clients that are connected have no more than that either, and make room when they leave', async () => {
    const anna = await as('anna', '', true);
    expect((await anna.subscribe(filters(8), 0)).filter((code) => code === 128)).to.have.length(2);
    expect(await (await as('anna', '', true)).subscribe(filters(1), 0)).to.deep.equal([128]);
    expect(await (await as('bert', '', true)).subscribe(filters(1), 0)).to.deep.equal([0]);
    await anna.mqtt.unsubscribeAsync('plant/0/a');
    expect(await (await as('anna', '', true)).subscribe(filters(1), 0)).to.deep.equal([0]);
    anna.cut();
    const last = await as('anna', '', true);
    await until(async () => !(await last.subscribe(filters(5), 0)).includes(128));
  });

  it('a new start counts what there is; whatever ends makes room', async () => {
    closeClients();
    await registry.close();
    registry = await registries.again(options);
    expect(await refusal('carl', 'kept')).to.equal(3);
    expect(await refusal('anna', 'one', true)).to.equal(0);
    // On MongoDB the end of a session comes by the feed, too.
    await until(async () => (await refusal('carl', 'kept')) === 0);
    const anna = await as('anna', 'three');
    expect(await anna.subscribe(filters(4), 1)).to.deep.equal([1, 1, 1, 1]);
    await anna.mqtt.unsubscribeAsync('plant/0/a');
    expect(await anna.subscribe('plant/1/b', 1)).to.deep.equal([1]);
  });
});
