import type { Client, Device, LiveQuery, Login } from '@rollcall/client';
import { connect } from '@rollcall/client';
import { compareValues } from '@rollcall/server/internal/mql/index';
import type { Registry } from '@rollcall/server';
import { expect } from 'chai';
import { startProxy, type Proxy } from '../../sdk/support/proxy.ts';
import { quick } from '../../sdk/support/session.ts';
import { openRandom, type Random } from '../../simulation/world.ts';
import { v2 } from '../../support/meshblu.ts';
import { onBothStores } from '../../support/registries.ts';
import { until } from '../../support/until.ts';

type Sort = Readonly<Record<string, 1 | -1>>;

const filters: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { type: 'a' },
  { type: { $in: ['a', 'b'] }, level: { $gte: 3 } },
  { name: { $exists: true } },
  { level: { $ne: 2 } },
  { $or: [{ type: 'c' }, { tags: 'x' }] },
  { 'meshblu.version': '2.0.0', tags: { $size: 2 } },
];
const sorts: readonly (Sort | undefined)[] = [
  undefined,
  { name: 1 },
  { level: -1, name: 1 },
  { tags: 1 },
  { 'meshblu.updatedAt': -1 },
];
const limits = [1, 3, 7, 1000];

const at = (device: Device, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], device);

/** What a path sorts by: of a list the smallest upwards, the largest downwards; an empty list before what is missing. */
const sortValue = (value: unknown, direction: 1 | -1): [number, unknown] => {
  if (!Array.isArray(value)) return [1, value ?? null];
  if (value.length === 0) return [0, null];
  return [1, (value as unknown[]).toSorted((one, other) => direction * compareValues(one, other))[0]];
};

const compareBy =
  (sort: Sort) =>
  (one: Device, other: Device): number => {
    for (const [path, direction] of Object.entries({ ...sort, uuid: 1 as const })) {
      const [[rank, value], [otherRank, otherValue]] = [
        sortValue(at(one, path), direction),
        sortValue(at(other, path), direction),
      ];
      const order = rank - otherRank || compareValues(value, otherValue);
      if (order !== 0) return order * direction;
    }
    return 0;
  };

/** A live query beside what it has to show. */
interface Watched {
  readonly client: Client;
  readonly live: LiveQuery;
  readonly filter: Readonly<Record<string, unknown>>;
  readonly sort: Sort | undefined;
  readonly limit: number;
  /** The rows as the steps alone make them. */
  stepped: Device[];
}

const watch = async (client: Client, random: Random): Promise<Watched> => {
  const [filter, sort, limit] = [random.pick(filters), random.pick(sorts), random.pick(limits)];
  const live = await client.live(filter, { sort, limit });
  const watched: Watched = { client, live, filter, sort, limit, stepped: [...live.rows] };
  live.on('change', ({ type, device, index, previousIndex }) => {
    if (type === 'resync') watched.stepped = [...live.rows];
    if (previousIndex !== null) watched.stepped.splice(previousIndex, 1);
    if (index !== null) watched.stepped.splice(index, 0, device);
  });
  return watched;
};

const expected = async ({ client, filter, sort = { 'meshblu.createdAt': -1 }, limit }: Watched): Promise<readonly Device[]> =>
  (await client.devices(filter)).devices.toSorted(compareBy(sort)).slice(0, limit);

onBothStores('live queries against searches', ({ start, again }) => {
  let registry: Registry;
  let second: Registry | undefined;
  let proxy: Proxy;
  const clients: Client[] = [];
  const open = async (url: string, login: Login = {}): Promise<Client> => {
    const client = await connect(url, login, { ...quick, autoSetOnline: false });
    clients.push(client);
    return client;
  };

  before(async () => {
    registry = await start();
    // Only MongoDB takes a second node; the embedded store refuses it.
    second = await again().catch(() => undefined);
    proxy = await startProxy(registry.url);
  });
  afterEach(() => clients.splice(0).forEach((client) => client.close()));
  after(() => proxy.close());

  for (const seed of [1, 2, Math.floor(Math.random() * 1e9)]) {
    it(`show after each quiet moment what a search finds, whatever was written, granted, revoked or lost (seed ${seed})`, async () => {
      const random = openRandom(seed);
      const owner = await open(registry.url);
      const one = await open(registry.url);
      const viewers = [
        one,
        await open(second?.url ?? registry.url, (await open(registry.url)).credentials),
        await open(proxy.url, one.credentials),
      ];
      const uuids = [...new Set(viewers.map(({ credentials }) => credentials.uuid))];
      const watched: Watched[] = [];
      const devices: string[] = [];

      const lists = () => [
        owner.credentials.uuid,
        ...uuids.filter(() => random.chance(0.6)),
        ...(random.chance(0.1) ? ['*'] : []),
      ];
      const properties = () => ({
        type: random.pick(['a', 'b', 'c']),
        ...(random.chance(0.8) && { name: random.pick<unknown>(['x', 'y', 'z', 5, null]) }),
        level: random.whole(0, 5),
        tags: Array.from({ length: random.whole(0, 2) }, () => random.pick(['x', 'y'])),
      });
      const granted = () => ({ 'meshblu.whitelists.discover.view': lists().map((uuid) => ({ uuid })) });

      const act = async (): Promise<void> => {
        const chance = random.next();
        const uuid = devices.length === 0 ? undefined : random.pick(devices);
        if (uuid === undefined || chance < 0.25) {
          const made = v2({ 'discover.view': lists(), 'configure.update': [owner.credentials.uuid] }, properties());
          devices.push((await owner.register(made)).uuid);
        } else if (chance < 0.6) await owner.update({ uuid, ...properties() });
        else if (chance < 0.85) await owner.update({ uuid, ...granted() });
        else if (chance < 0.9) await owner.resetToken({ uuid });
        else {
          devices.splice(devices.indexOf(uuid), 1);
          await owner.unregister({ uuid });
        }
      };

      for (let round = 0; round < 12; round += 1) {
        const writes: Promise<unknown>[] = [];
        for (let count = random.whole(1, 25); count > 0; count -= 1) {
          if (random.chance(0.5)) writes.push(act());
          else await act();
          if (random.chance(0.08)) proxy.cut();
          if (random.chance(0.3) && watched.length < 60)
            writes.push(watch(random.pick(viewers), random).then((made) => watched.push(made)));
          if (random.chance(0.1) && watched.length > 20) watched.splice(random.whole(0, watched.length - 1), 1)[0]!.live.close();
        }
        await Promise.all(writes);
        for (const each of watched) {
          const wanted = await expected(each);
          const isRight = () => JSON.stringify(each.live.rows) === JSON.stringify(wanted);
          await until(isRight).catch(() => {
            expect(each.live.rows, JSON.stringify([seed, round, each.filter, each.sort, each.limit])).to.deep.equal(wanted);
          });
          expect(each.stepped).to.deep.equal(each.live.rows);
        }
      }
    }).timeout(90_000);
  }

  it('show the same after the registry was started again', async () => {
    const own = await start();
    const owner = await open(own.url);
    const device = await owner.register({ type: 'restarted', owner: owner.credentials.uuid });
    const live = await owner.live({ type: 'restarted' });
    await own.close();
    const restarted = await again({ port: Number(new URL(own.url).port) });
    await owner.update({ uuid: device.uuid, name: 'after' });
    await until(() => live.rows[0]?.['name'] === 'after', 10_000);
    expect(live.rows).to.deep.equal((await owner.devices({ type: 'restarted' })).devices);
    owner.close();
    await restarted.close();
  });
});
