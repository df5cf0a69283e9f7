import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { expect } from 'chai';
import { connectAs, connectRaw, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { openPublished, type PublishedClient } from '../support/published.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

const require = createRequire(import.meta.url);
const publicKey = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });

/** What the calls of one walk are about: open devices, and what the caller has heard. */
interface World {
  /** Different in each walk. */
  readonly mark: string;
  readonly self: Made;
  readonly target: Made;
  readonly claimed: Made;
  readonly removed: Made;
  readonly reset: Made;
  /** Sessions of `target`. */
  readonly revoked: Made;
  readonly queried: Made;
  readonly encrypted: Made;
  /** Is connected, and asks about the others. */
  readonly observer: MeshbluSocket;
  readonly heard: readonly unknown[];
}

interface Row {
  readonly method: string;
  readonly args: (world: World) => readonly unknown[];
  /** What the call has done, if it can be seen from outside. */
  readonly done?: (world: World) => unknown;
  /** Published in 1.x only. */
  readonly first?: true;
  /** Has it no callback? */
  readonly silent?: true;
  /** Does the client need a callback, or is the call nothing without? */
  readonly asks?: true;
  /** Is this the right answer? Default: any that is no failure. */
  readonly isRight?: (answer: unknown) => boolean;
}

const works = async ({ observer }: World, { uuid, token }: Made): Promise<boolean> =>
  (await observer.ask<{ authentication?: boolean }>('authenticate', { uuid, token })).authentication === true;
const document = async ({ observer }: World, { uuid }: Made): Promise<Record<string, unknown>> =>
  (await observer.ask<{ device?: Record<string, unknown> }>('device', { uuid })).device ?? {};
const heardBy = ({ observer }: World, topic: string): boolean =>
  observer.got('message').some((message) => (message as { topic?: string }).topic === topic);

const rows: readonly Row[] = [
  {
    method: 'message',
    args: ({ mark, observer }) => [{ devices: [observer.uuid], topic: `object ${mark}`, payload: 1 }],
    done: (world) => heardBy(world, `object ${world.mark}`),
  },
  {
    method: 'message',
    args: ({ mark, observer }) => [[observer.uuid], { n: 1 }, { topic: `list ${mark}` }],
    done: (world) => heardBy(world, `list ${world.mark}`),
    first: true,
    silent: true,
  },
  {
    method: 'encryptMessage',
    args: ({ mark, encrypted, observer }) => [encrypted.uuid, { secret: 1 }, { devices: [observer.uuid], topic: `key ${mark}` }],
    asks: true,
  },
  {
    method: 'update',
    args: ({ mark, target }) => [{ uuid: target.uuid, color: mark }],
    done: async (world) => (await document(world, world.target))['color'] === world.mark,
  },
  {
    method: 'register',
    args: ({ mark }) => [{ type: 'made', tag: mark }],
    done: async ({ observer, mark }) =>
      (await observer.ask<{ devices: unknown[] }>('devices', { tag: mark })).devices.length === 1,
  },
  {
    method: 'unregister',
    args: ({ removed: { uuid } }) => [{ uuid }],
    done: async (world) => !(await works(world, world.removed)),
  },
  {
    method: 'claimdevice',
    args: ({ claimed: { uuid } }) => [{ uuid }],
    done: async (world) => (await document(world, world.claimed))['owner'] === world.self.uuid,
    first: true,
  },
  { method: 'resetToken', args: ({ reset: { uuid } }) => [uuid], done: async (world) => !(await works(world, world.reset)) },
  { method: 'generateAndStoreToken', args: ({ target: { uuid }, mark }) => [{ uuid, tag: mark }] },
  {
    method: 'revokeToken',
    args: ({ revoked: { uuid, token } }) => [{ uuid, token }],
    done: async (world) => !(await works(world, world.revoked)),
  },
  {
    method: 'revokeTokenByQuery',
    args: ({ queried: { uuid } }) => [{ uuid, tag: 'queried' }],
    done: async (world) => !(await works(world, world.queried)),
  },
  { method: 'subscribe', args: ({ claimed: { uuid } }) => [{ uuid, types: ['broadcast'] }], silent: true },
  { method: 'unsubscribe', args: ({ claimed: { uuid } }) => [{ uuid, types: ['broadcast'] }], silent: true },
  {
    method: 'subscribe',
    args: ({ observer }) => [observer.uuid],
    silent: true,
    async done({ observer, heard, mark }) {
      observer.socket.emit('message', { devices: ['*'], topic: mark });
      await until(() => heard.some((message) => (message as { topic?: string }).topic === mark));
      return true;
    },
  },
  { method: 'device', args: ({ target: { uuid } }) => [{ uuid }] },
  { method: 'devices', args: ({ mark }) => [{ tag: mark }] },
  { method: 'mydevices', args: () => [{}], first: true },
  { method: 'status', args: () => [{}], first: true },
  { method: 'authenticate', args: ({ target: { uuid, token } }) => [{ uuid, token }], first: true },
  {
    method: 'events',
    args: ({ self: { uuid, token } }) => [{ uuid, token }],
    // As Meshblu answered for a device that has none.
    isRight: (answer) => (answer as { error?: { code?: number } }).error?.code === 404,
    first: true,
  },
  { method: 'data', args: ({ target: { uuid }, mark }) => [{ uuid, value: mark }], first: true },
  { method: 'getdata', args: ({ target: { uuid, token } }) => [{ uuid, token }], first: true },
  { method: 'localdevices', args: () => [], first: true },
  { method: 'unclaimeddevices', args: () => [{}], first: true },
  { method: 'textBroadcast', args: () => ['hello'], first: true, silent: true },
  { method: 'directText', args: ({ observer }) => [{ payload: 'hello', devices: [observer.uuid] }], first: true, silent: true },
  { method: 'subscribeText', args: ({ target }) => [target.uuid], first: true, silent: true },
  { method: 'unsubscribeText', args: ({ target }) => [target.uuid], first: true, silent: true },
  { method: 'send', args: () => ['hello'], first: true, silent: true },
];

const invoke = (client: PublishedClient, method: string, args: readonly unknown[]): unknown =>
  (client[method] as (...all: unknown[]) => unknown).call(client, ...args);

/** Calls a method whose callback is its last argument. */
const asked = (client: PublishedClient, method: string, args: readonly unknown[]): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${method} was not answered`)), 8_000);
    invoke(client, method, [
      ...args,
      (answer: unknown) => {
        clearTimeout(timer);
        resolve(answer);
      },
    ]);
  });

onBothStores('each call of the published Meshblu clients (D1)', (registries) => {
  let url = '';
  let marks = 0;
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
  });

  const inWorld = async (work: (world: Omit<World, 'heard'>) => Promise<void>): Promise<void> => {
    const raw = await connectRaw(url);
    const make = (properties: object = {}): Promise<Made> => raw.ask<Made>('register', properties);
    const [self, target, claimed, removed, reset, encrypted] = await Promise.all([
      make(),
      make(),
      make(),
      make(),
      make(),
      make({ publicKey }),
    ]);
    const observer = await connectAs(url, await make());
    // The callback of a 1.x message is called by the program that gets it.
    observer.socket.on('message', ({ ack, fromUuid }: { readonly ack?: number; readonly fromUuid?: string }) => {
      if (ack !== undefined) observer.socket.emit('messageAck', { devices: fromUuid, ack, payload: { heard: true } });
    });
    const session = async (tag: string): Promise<Made> => observer.ask<Made>('generateAndStoreToken', { uuid: target.uuid, tag });
    const [revoked, queried] = [await session('revoked'), await session('queried')];
    marks += 1;
    await work({ mark: `walk ${marks}`, self, target, claimed, removed, reset, encrypted, revoked, queried, observer });
    observer.close();
    raw.close();
  };

  for (const [name, open] of Object.entries(openPublished))
    for (const transport of ['polling', 'websocket'] as const)
      for (const way of ['with', 'without'] as const)
        it(`${name} by ${transport}, ${way} callbacks: is carried out, and answered if it asks for it`, () =>
          inWorld(async (known) => {
            const client = open(new URL(url), known.self, transport);
            const heard: unknown[] = [];
            let isReady = false;
            client.on('message', (message) => heard.push(message));
            client.on('ready', () => (isReady = true));
            await until(() => isReady);
            const world: World = { ...known, heard };
            for (const { method, args, first, silent, asks, isRight = isNoFailure } of rows) {
              if (first && !name.includes(' 1.')) continue;
              if (way === 'without' && !asks) invoke(client, method, args(world));
              else if (silent) invoke(client, method, args(world));
              else expect(await asked(client, method, args(world)), method).to.satisfy(isRight);
            }
            // Calls are carried out in their order: when this one is answered, all have been.
            const whoami = await asked(client, 'whoami', name.includes(' 1.') ? [{}] : []);
            expect(whoami).to.include({ uuid: known.self.uuid });
            for (const { method, done, first, asks } of rows) {
              if (done === undefined || asks || (first && !name.includes(' 1.'))) continue;
              await until(async () => (await done(world)) === true).catch((error: unknown) => {
                throw new Error(`${method} was not carried out`, { cause: error });
              });
            }
            await new Promise<void>((resolve) => client.close(resolve));
          }));

  /** The published HTTP client; its methods end with a callback of Node's form. */
  type HttpClient = Record<string, (...args: unknown[]) => void>;

  it('meshblu-http 10.2.0: is carried out and answered', () =>
    inWorld(async (world) => {
      const Client = require('meshblu-http') as new (options: object) => HttpClient;
      const { hostname, port } = new URL(url);
      const { self, target, removed, reset, revoked, observer, mark } = { ...world };
      const client = new Client({ protocol: 'http', hostname, port, keepAlive: false, uuid: self.uuid, token: self.token });
      const ask = <T = Record<string, unknown>>(method: string, ...args: unknown[]): Promise<T> =>
        new Promise((resolve, reject) =>
          client[method]?.(...args, (error: Error | null, body: T) =>
            error === null ? resolve(body) : reject(new Error(`${method}: ${error.message}`)),
          ),
        );
      const subscription = { subscriberUuid: self.uuid, emitterUuid: self.uuid, type: 'message.received' };
      expect(await ask('whoami')).to.include({ uuid: self.uuid });
      expect(await ask('device', target.uuid)).to.include({ uuid: target.uuid });
      expect(await ask('device', target.uuid, { as: self.uuid })).to.include({ uuid: target.uuid });
      await ask('update', target.uuid, { color: mark });
      await ask('updateDangerously', target.uuid, { $set: { size: 3 }, $addToSet: { list: mark } });
      expect(await ask('findAndUpdate', target.uuid, { $inc: { size: 1 } })).to.have.property('uuid', target.uuid);
      expect(await ask<unknown[]>('devices', { color: mark }))
        .to.have.property('length')
        .above(0);
      expect(await ask<unknown[]>('search', { color: mark })).to.have.length(1);
      expect(await ask('mydevices', {})).to.have.property('devices');
      expect(await ask('register', { type: 'made', tag: mark })).to.have.property('token');
      await ask('createSubscription', subscription);
      expect(await ask<unknown[]>('subscriptions', self.uuid)).to.deep.equal([subscription]);
      await ask('deleteSubscription', subscription);
      await ask('createSubscription', subscription);
      await ask('deleteSubscriptions', { subscriberUuid: self.uuid, emitterUuid: self.uuid });
      expect(await ask<unknown[]>('subscriptions', self.uuid)).to.deep.equal([]);
      await ask('createHook', target.uuid, 'message.received', 'https://hook.example');
      expect(await ask('generateAndStoreToken', target.uuid)).to.have.property('token');
      expect(await ask('generateAndStoreTokenWithOptions', target.uuid, { tag: mark })).to.include({ tag: mark });
      expect(await ask<unknown[]>('searchTokens', { 'metadata.tag': mark }, {})).to.be.an('array');
      await ask('revokeToken', target.uuid, revoked.token);
      await ask('revokeTokenByQuery', target.uuid, { tag: 'queried' });
      for (const ended of [revoked, world.queried]) expect(await works({ ...world, heard: [] }, ended)).to.equal(false);
      expect(await ask('resetToken', reset.uuid)).to.have.property('token');
      expect(await ask('publicKey', world.encrypted.uuid)).to.include({ publicKey });
      expect(await ask('getServerPublicKey')).to.be.a('string');
      expect(await ask('healthcheck')).to.equal(true);
      await ask('message', { devices: [observer.uuid], topic: 'asked' });
      client['message']?.({ devices: [observer.uuid], topic: 'unasked' });
      await until(() => ['asked', 'unasked'].every((topic) => heardBy({ ...world, heard: [] }, topic)));
      client['unregister']?.({ uuid: removed.uuid });
      await until(async () => !(await works({ ...world, heard: [] }, removed)));
    }));

  for (const transport of ['polling', 'websocket'] as const)
    it(`meshblu-firehose-socket.io 4.0.2 by ${transport}: hears what reaches its device`, () =>
      inWorld(async ({ self, mark, observer }) => {
        const Firehose = require('meshblu-firehose-socket.io') as new (options: object) => PublishedClient & { connect(): void };
        const { hostname, port } = new URL(url);
        const own = await connectAs(url, self);
        await own.ask('createSubscription', { subscriberUuid: self.uuid, emitterUuid: self.uuid, type: 'message.received' });
        const meshbluConfig = { ...self, protocol: 'http', hostname, port };
        const firehose = new Firehose({ meshbluConfig, transports: [transport] });
        const heard: { data?: { topic?: string } }[] = [];
        let isConnected = false;
        firehose.on('message', (message) => heard.push(message));
        firehose.on('connect', () => (isConnected = true));
        firehose.connect();
        await until(() => isConnected);
        await observer.ask('message', { devices: [self.uuid], topic: mark });
        await until(() => heard.some(({ data }) => data?.topic === mark));
        await new Promise<void>((resolve) => firehose.close(resolve));
        own.close();
      }));
});

/** Meshblu's failures have `error`. */
const isNoFailure = (answer: unknown): boolean =>
  answer === undefined || answer === null || (answer as { error?: unknown }).error === undefined;
