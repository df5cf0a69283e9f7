import type { Store } from './store.ts';

/** The database has a uuid twice: the registry does not start until the operator has resolved it. */
export class DuplicateDevicesError extends Error {
  override readonly name = 'DuplicateDevicesError';
}

const versionOneLists = ['discoverWhitelist', 'configureWhitelist', 'sendWhitelist', 'receiveWhitelist'];

/** The uuids that more than one document has, at most ten of them. */
const doubledUuids = async (store: Store): Promise<string[]> => {
  const seen = new Set<string>();
  const doubled = new Set<string>();
  for await (const { uuid } of store.collection('devices').find({}, { projection: { uuid: 1 } })) {
    if (seen.has(uuid)) doubled.add(uuid);
    else seen.add(uuid);
    if (doubled.size === 10) break;
  }
  return [...doubled];
};

/** Makes the indexes that the registry's reads and promises rest on (MS-3.3; DM-3). */
export const ensureIndexes = async (store: Store): Promise<void> => {
  const devices = store.collection('devices');
  try {
    await devices.createIndex({ uuid: 1 }, { unique: true, name: 'rollcall_uuid' });
  } catch (error) {
    const doubled = await doubledUuids(store);
    if (doubled.length === 0) throw error;
    throw new DuplicateDevicesError(`More than one device document has the uuid ${doubled.join(', ')}`, { cause: error });
  }
  await devices.createIndex({ owner: 1 });
  await devices.createIndex({ type: 1, owner: 1 });
  for (const list of versionOneLists) await devices.createIndex({ [list]: 1 });
  await devices.createIndex({ 'meshblu.whitelists.discover.view.uuid': 1 });
  await devices.createIndex({ 'meshblu.createdAt': -1, uuid: 1 });
  await devices.createIndex({ '_rollcall.presence.nodes': 1 }, { sparse: true });
  await devices.createIndex({ '_rollcall.gone.at': 1 }, { sparse: true });
  const named = { '_rollcall.group': { $exists: true } };
  await devices.createIndex({ '_rollcall.group': 1 }, { unique: true, partialFilterExpression: named });
  await store.collection('tokens').createIndex({ uuid: 1, hashedToken: 1 });
  await store.collection('tokens').createIndex({ '_rollcall.gone.at': 1 }, { sparse: true });
  await ensureAccessIndexes(store);
  const audit = store.collection('audit');
  await audit.createIndex({ at: -1, _id: -1 });
  await audit.createIndex({ 'actor.uuid': 1, at: -1 });
  await audit.createIndex({ targets: 1, at: -1 });
  await audit.createIndex({ of: 1 }, { sparse: true });
  await store.collection('messages').createIndex({ purgeAt: 1 }, { expireAfterSeconds: 0 });
  await ensureMqttIndexes(store);
  await store.collection('webhook-failures').createIndex({ uuid: 1, at: -1 });
  await store.collection('data').createIndex({ uuid: 1, timestamp: -1 });
  await store.collection('subscriptions').createIndex({ subscriberUuid: 1 });
  await store.collection('subscriptions').createIndex({ emitterUuid: 1, type: 1 });
};

const ensureAccessIndexes = async (store: Store): Promise<void> => {
  const [principals, credentials, roles] = [
    store.collection('principals'),
    store.collection('credentials'),
    store.collection('roles'),
  ];
  await principals.createIndex({ loginName: 1 }, { unique: true, partialFilterExpression: { loginName: { $exists: true } } });
  await principals.createIndex({ roleIds: 1 });
  for (const name of ['topicToken', 'serialKey', 'clientId', 'recordId'])
    await principals.createIndex(
      { [`mqtt.${name}`]: 1 },
      { unique: true, partialFilterExpression: { [`mqtt.${name}`]: { $exists: true } } },
    );
  await principals.createIndex({ tenant: 1 });
  await principals.createIndex({ 'mfa.state': 1 }, { sparse: true });
  await principals.createIndex({ owner: 1 }, { sparse: true });
  await principals.createIndex({ expiresAt: 1 }, { sparse: true });
  await principals.createIndex({ 'unfinished.since': 1 }, { sparse: true });
  await roles.createIndex({ nameLower: 1 }, { unique: true, partialFilterExpression: { nameLower: { $exists: true } } });
  await credentials.createIndex({ uuid: 1, kind: 1 });
  await credentials.createIndex({ sid: 1 }, { sparse: true });
  await credentials.createIndex({ purgeAt: 1 }, { expireAfterSeconds: 0 });
  const certificates = store.collection('certificates');
  const named = { fingerprint: { $exists: true } };
  await certificates.createIndex({ fingerprint: 1 }, { unique: true, partialFilterExpression: named });
  const registrations = store.collection('registrations');
  await registrations.createIndex({ loginName: 1 }, { unique: true, partialFilterExpression: { loginName: { $exists: true } } });
  await registrations.createIndex({ fetchedBy: 1 }, { sparse: true });
  for (const rows of [principals, credentials, roles, certificates, registrations])
    await rows.createIndex({ '_rollcall.gone.at': 1 }, { sparse: true });
};

const ensureMqttIndexes = async (store: Store): Promise<void> => {
  await store.collection('mqtt-queue').createIndex({ client: 1, order: 1 });
  await store.collection('mqtt-incoming').createIndex({ client: 1 });
  await store.collection('mqtt-sessions').createIndex({ node: 1 });
  await store.collection('mqtt-sessions').createIndex({ uuid: 1 });
  await store.collection('mqtt-publications').createIndex({ purgeAt: 1 }, { expireAfterSeconds: 0 });
};
