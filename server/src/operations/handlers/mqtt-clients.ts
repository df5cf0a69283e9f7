import { randomBytes } from 'node:crypto';
import { mqttClients as rows, RegistryError, type ErrorDetail } from '@rollcall/client/contract';
import type { Actor } from '../../domain/actor.ts';
import type { PrincipalPermissions } from '../../identity/effective-permissions.ts';
import { changeDevice } from '../../domain/device.ts';
import type { Verb } from '../../domain/permissions.ts';
import type { Implementation, Services } from '../handler.ts';
import { randomBase36, secretId } from '../../identity/passwords/mqtt-secrets.ts';
import type { RequestId } from '../../domain/revision.ts';
import type { StoredSecret } from '../../domain/documents/credential.ts';
import type { MqttPart, PrincipalDocument } from '../../domain/documents/principal.ts';

type Called = Services & { readonly actor: Actor; readonly request: RequestId | null };

const everything = '/api/client/#';
const maxListed = 10_000;
const maxTemporary = 100;
const keyLength = 20;
const temporaryName = 'temporary client';

const missing = (): RegistryError => new RegistryError('not-found', 'No record found with the specified `id`.');

const invalid = (...details: readonly ErrorDetail[]): RegistryError =>
  new RegistryError('invalid-input', rows.create.refusal?.(details), { details });

/** The user account that calls. Fails with `forbidden` if the caller is not a user. */
const accountOf = async ({ actor, effectivePermissions }: Called): Promise<PrincipalPermissions> => {
  const account = actor.principal === true ? await effectivePermissions.getFresh(actor.uuid) : null;
  if (account?.principal.kind !== 'user') throw new RegistryError('forbidden', 'Only an account has client records');
  return account;
};

const seesAll = ({ permissions }: PrincipalPermissions, verb: Verb): boolean => permissions.allow('http', verb, everything);

/** A record that the caller may read or change. Fails with `not-found`. */
const recordOf = async (id: string, verb: Verb, call: Called): Promise<PrincipalDocument> => {
  const account = await accountOf(call);
  const record = await call.mqttClients.byRecordId(id);
  if (record === null || (record.owner !== account.principal._id && !seesAll(account, verb))) throw missing();
  return record;
};

/** Records as clients see them, with the names of their accounts. */
const views = async (records: readonly PrincipalDocument[], { principals }: Services) => {
  const owners = [...new Set(records.map(({ owner = '' }) => owner))];
  const names = new Map(
    await Promise.all(owners.map(async (uuid) => [uuid, (await principals.get(uuid))?.username ?? ''] as const)),
  );
  return records.map(({ _id: uuid, owner = '', mqtt = {}, createdAt, updatedAt, expiresAt }) => ({
    id: mqtt.recordId ?? '',
    uuid,
    owner: names.get(owner) ?? '',
    name: mqtt.name ?? '',
    ...(mqtt.description !== undefined && { description: mqtt.description }),
    clientId: mqtt.clientId ?? '',
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    ...(expiresAt !== undefined && { expiresAt: expiresAt.toISOString() }),
  }));
};

const view = async (record: PrincipalDocument, services: Services) => {
  const [seen] = await views([record], services);
  if (seen === undefined) throw missing();
  return seen;
};

const unique = (clientId: string): ErrorDetail => ({
  path: '/clientId',
  rule: 'unique',
  message: `A record with that \`clientId\` already exists (\`${clientId}\`).`,
});

/**
 * Problems of a requested client id: it is taken, or it begins with the prefix of another account.
 */
const takenProblems = async (clientId: string, uuid: string, account: string, call: Called): Promise<readonly ErrorDetail[]> => {
  const [holder, owner] = await Promise.all([call.mqttClients.byClientId(clientId), call.mqttClients.prefixOwner(clientId)]);
  const isForeign = owner !== null && owner._id !== account;
  const prefix = { path: '/clientId', rule: 'prefix', message: 'Only that account may begin a `clientId` with its name.' };
  return [...(holder !== null && holder._id !== uuid ? [unique(clientId)] : []), ...(isForeign ? [prefix] : [])];
};

/** Properties of the device of a record. Its account may see, change and message it. */
const deviceOf = (owner: string, { name, description }: MqttPart) => {
  const account = [{ uuid: owner }];
  return {
    type: 'mqtt-client',
    name,
    ...(description !== undefined && { description }),
    owner,
    meshblu: {
      version: '2.0.0',
      whitelists: {
        discover: { view: account },
        configure: { update: account, sent: account },
        message: { from: account, sent: account, received: account },
        broadcast: { sent: account },
      },
    },
  };
};

const make = async (
  uuid: string,
  owner: string,
  mqtt: MqttPart,
  secret: StoredSecret,
  expiresAt: Date | undefined,
  call: Called,
): Promise<PrincipalDocument> => {
  const at = new Date(call.now());
  const principal: PrincipalDocument = {
    _id: uuid,
    kind: 'mqttClient',
    state: 'creating',
    owner,
    autoGenerated: false,
    identityProvider: 'local',
    grantTypes: [{ method: 'password', isRequired: true }],
    roleIds: [],
    mqttPublishPrefix: '',
    mqtt,
    createdBy: call.actor.uuid,
    createdAt: at,
    updatedAt: at,
    ...(expiresAt !== undefined && { expiresAt }),
  };
  const plan = { principal, device: deviceOf(owner, mqtt), secret, permissions: [] };
  try {
    return (await call.users.create([plan], call.request))[0] ?? principal;
  } catch (error) {
    throw error instanceof RegistryError && error.code === 'conflict' ? invalid(unique(mqtt.clientId ?? '')) : error;
  }
};

/** Fails with `invalid-input` if the account has reached its limit of temporary records. */
const checkTemporary = async (owner: string, uuid: string, { mqttClients }: Services): Promise<void> => {
  if ((await mqttClients.temporary(owner, uuid)) < maxTemporary) return;
  const message = `An account has at most ${maxTemporary} temporary clients.`;
  throw invalid({ path: '/expiresAt', rule: 'maxTemporary', message });
};

export const mqttClientHandlers: Implementation['mqttClients'] = {
  async create({ name, description, clientId, key }, call) {
    const { ids, request, mqttSecrets, now, config } = call;
    const { _id: owner, username = '' } = (await accountOf(call)).principal;
    const uuid = ids.uuid('mqttClients:create', request);
    const problems = clientId === undefined ? [] : await takenProblems(clientId, uuid, owner, call);
    if (problems.length > 0) throw invalid(...problems);
    const isTemporary = name === undefined || clientId === undefined || key === undefined;
    const shownKey = key ?? randomBase36(keyLength);
    const secret = key === undefined ? mqttSecrets.made(uuid, shownKey, request) : await mqttSecrets.chosen(key);
    const mqtt: MqttPart = {
      clientId: clientId ?? `${username}-${randomBytes(4).toString('hex')}`,
      recordId: randomBytes(12).toString('hex'),
      name: name ?? temporaryName,
      ...(description !== undefined && { description }),
      chosen: { name: name !== undefined, key: key !== undefined },
    };
    const expiresAt = isTemporary ? new Date(now() + config.temporaryClientMs) : undefined;
    const made = await call.mqttClients.serially(owner, async () => {
      if (isTemporary) await checkTemporary(owner, uuid, call);
      return make(uuid, owner, mqtt, secret, expiresAt, call);
    });
    if (key === undefined) await mqttSecrets.settle(uuid, secret);
    // A concurrent removal of the account may not have seen this record.
    if ((await call.effectivePermissions.getFresh(owner)) === null) {
      await call.users.remove(uuid, owner);
      throw new RegistryError('unauthenticated');
    }
    return { output: { ...(await view(made, call)), ...(key === undefined && { key: shownKey }) } };
  },

  async list({ limit, skip = 0 }, call) {
    const account = await accountOf(call);
    const owner = seesAll(account, 'read') ? null : account.principal._id;
    const found = await call.mqttClients.list(owner, { skip, limit: limit ?? maxListed + 1 });
    if (found.length > maxListed) throw new RegistryError('too-large', 'Ask for these records with `limit` and `skip`');
    return { output: { clients: await views(found, call) } };
  },

  async get({ id }, call) {
    return { output: await view(await recordOf(id, 'read', call), call) };
  },

  async update({ id, name, description, key, clientId }, call) {
    const { principals, devices, mqttSecrets, request, now, actor } = call;
    const record = await recordOf(id, 'write', call);
    const { _id: uuid } = record;
    if (clientId !== undefined && clientId !== record.mqtt?.clientId)
      throw invalid({ path: '/clientId', rule: 'readOnly', message: 'The `clientId` of a record does not change.' });
    const secret = key === undefined ? undefined : await mqttSecrets.chosen(key);
    if (secret !== undefined) await mqttSecrets.set(uuid, secret, null);
    const { document } = await principals.update(uuid, request, (before) => {
      if (before === null) throw missing();
      const { expiresAt, mqtt = {}, ...rest } = before;
      const { description: earlier, ...part } = mqtt;
      const chosen = {
        name: name !== undefined || mqtt.chosen?.name === true,
        key: key !== undefined || mqtt.chosen?.key === true,
      };
      const described = description === undefined ? earlier : description;
      const next: PrincipalDocument = {
        ...rest,
        mqtt: {
          ...part,
          ...(name !== undefined && { name }),
          ...(typeof described === 'string' && { description: described }),
          chosen,
        },
        updatedAt: new Date(Math.max(now(), before.updatedAt.getTime() + 1)),
        ...(expiresAt !== undefined && !(chosen.name && chosen.key) && { expiresAt }),
      };
      return { next, visible: true };
    });
    await devices.update(uuid, null, (before) => {
      if (before === null) throw missing();
      const told = (device: Readonly<Record<string, unknown>>) => {
        const { description: _earlier, ...rest } = device;
        const { name: newName, description: described } = document.mqtt ?? {};
        return { ...rest, name: newName, ...(described !== undefined && { description: described }) };
      };
      return name === undefined && description === undefined ? null : changeDevice(before, told, actor.uuid, new Date(now()));
    });
    const revokes = secret === undefined ? [] : [{ uuid, credential: secretId(uuid), unless: secret.hash }];
    return { output: await view(document, call), revokes };
  },

  async delete({ id }, call) {
    const record = await recordOf(id, 'write', call);
    const output = await view(record, call);
    const ended = await call.users.remove(record._id, call.actor.uuid).catch((error: unknown) => {
      throw error instanceof RegistryError && error.code === 'not-found' ? missing() : error;
    });
    return { output, revokes: ended.map((device) => ({ device })) };
  },
};
