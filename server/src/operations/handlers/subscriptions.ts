import { RegistryError, subscriptionTypes } from '@rollcall/client/contract';
import { hears, type Channel } from '../../domain/access.ts';
import type { SubscriptionType } from '../../realtime/subscriptions.ts';
import type { Connection } from '../../realtime/connections.ts';
import type { Actor } from '../../domain/actor.ts';
import type { Implementation, Services } from '../handler.ts';

type Rows = Pick<
  Implementation['meshblu'],
  'subscribe' | 'unsubscribe' | 'createSubscription' | 'deleteSubscription' | 'deleteSubscriptions' | 'subscriptions'
>;

const channels: readonly Channel[] = ['broadcast', 'sent', 'received', 'config', 'data'];
const defaults: readonly Channel[] = ['broadcast', 'received', 'sent'];

/** The subscription types of a call: always config and data, without unknown ones (MS-2.17). */
const asked = (types: readonly unknown[] | undefined): readonly SubscriptionType[] => {
  const named = new Set<unknown>(types ?? defaults);
  const wanted: SubscriptionType[] = channels.filter(
    (channel) => channel === 'config' || channel === 'data' || named.has(channel),
  );
  return named.has('firehose') ? [...wanted, 'firehose'] : wanted;
};

const checkType = (type: string): void => {
  if (subscriptionTypes.some((known) => known === type)) return;
  throw new RegistryError('invalid-input', 'Invalid type', {
    details: [{ path: '/type', rule: 'enum', message: 'Invalid type' }],
  });
};

/**
 * Subscribes a connection to the events of a device that an actor may receive.
 * Returns the types that were granted.
 */
export const listen = async (
  { devices, connectionSubscriptions, connections }: Pick<Services, 'devices' | 'connectionSubscriptions' | 'connections'>,
  connection: Connection,
  actor: Actor,
  { uuid, types, topics }: { uuid: string; types: readonly SubscriptionType[]; topics?: string | readonly string[] | undefined },
): Promise<readonly SubscriptionType[]> => {
  const emitter = (await devices.get(uuid)) ?? (await devices.getFresh(uuid));
  if (emitter === null) return [];
  const granted = types.filter((type) => (type === 'firehose' ? uuid === actor.uuid : hears(actor, type, emitter)));
  if (granted.length === 0) return [];
  connectionSubscriptions.add(connection, uuid, granted, actor, topics);
  // A subscription by the token of that device ends with the token.
  if (actor.uuid !== connection.actor.uuid) {
    connection.onLeave(connections.watch(actor, () => connectionSubscriptions.remove(connection, uuid, granted)));
  }
  return granted;
};

export const subscriptions: Rows = {
  async subscribe({ uuid, types, topics }, call) {
    const { actor, connection } = call;
    if (connection === null) throw new RegistryError('invalid-input', 'Only a connection can listen');
    const granted = await listen(call, connection, actor, { uuid, types: asked(types), topics });
    if (granted.length === 0) throw new RegistryError('forbidden');
    return { output: { api: 'subscribe', socketid: connection.id, toUuid: uuid, result: true, types: [...granted] } };
  },

  unsubscribe({ uuid, types }, { connectionSubscriptions, connection }) {
    if (connection === null) throw new RegistryError('invalid-input', 'Only a connection can listen');
    const all: readonly SubscriptionType[] = [...channels, 'firehose'];
    connectionSubscriptions.remove(connection, uuid, types === undefined ? all : all.filter((type) => types.includes(type)));
    return { output: { api: 'unsubscribe', uuid } };
  },

  async createSubscription(subscription, { permitted, storedSubscriptions }) {
    checkType(subscription.type);
    await permitted();
    await storedSubscriptions.create(subscription);
    return { output: subscription };
  },

  async deleteSubscription(subscription, { permitted, storedSubscriptions }) {
    checkType(subscription.type);
    await permitted();
    await storedSubscriptions.remove(subscription);
    return { output: subscription };
  },

  async deleteSubscriptions({ subscriberUuid, emitterUuid, type }, { permitted, storedSubscriptions }) {
    await permitted();
    await storedSubscriptions.remove({ subscriberUuid, emitterUuid, type });
    return { output: { subscriberUuid } };
  },

  async subscriptions(_input, { target, storedSubscriptions }) {
    return { output: { subscriptions: [...(await storedSubscriptions.by(target))] } };
  },
};
