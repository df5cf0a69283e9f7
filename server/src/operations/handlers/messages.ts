import { RegistryError } from '@rollcall/client/contract';
import { outgoingValue } from '../../domain/device-view.ts';
import { checkMessageSize, readMessage } from '../../domain/message.ts';
import { actsFor } from '../../domain/access.ts';
import { storedValue } from '../../domain/stored-value.ts';
import type { Implementation, Services } from '../handler.ts';

type Rows = Pick<Implementation['meshblu'], 'message' | 'messageAck' | 'data' | 'getdata' | 'events'>;

/** Maximum size of one record of `data`, in bytes of JSON. */
const maxRecordBytes = 64 * 1024;
const maxRecords = 1_000;

/**
 * Value of a record as Meshblu stored it: text that is JSON becomes its value (MS-2.19).
 * Text that the value does not reproduce exactly stays text, so that nothing is lost.
 */
const parsed = (value: unknown, readJson: Services['readJson']): unknown => {
  if (typeof value !== 'string') return value;
  try {
    const meant = readJson(value);
    return JSON.stringify(meant) === value ? meant : value;
  } catch {
    return value;
  }
};

const countOf = (limit: unknown): number => {
  if (limit === undefined) return 10;
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 0) {
    throw new RegistryError('invalid-input', undefined, {
      details: [{ path: '/limit', rule: 'type', message: 'a whole number' }],
    });
  }
  return count === 0 ? maxRecords : Math.min(count, maxRecords);
};

export const messages: Rows = {
  async message(input, { subject, actor, request, ids, devices, config }) {
    const sent = readMessage(input, subject, ids.uuid('message', request));
    checkMessageSize(sent, config.messageBytes);
    if (subject !== actor.uuid) {
      const acting = await devices.getFresh(subject);
      const may = (group: 'message' | 'broadcast') => acting !== null && actsFor(actor, group, acting);
      if ((sent.to.length > 0 && !may('message')) || (sent.broadcast && !may('broadcast'))) throw new RegistryError('forbidden');
    }
    return { output: { id: sent.id }, messages: [sent] };
  },

  messageAck(input, { subject, request, ids, config }) {
    const sent = readMessage(input, subject, ids.uuid('messageAck', request), 'messageAck');
    checkMessageSize(sent, config.messageBytes);
    return { output: { id: sent.id }, messages: [sent] };
  },

  async data(input, { target, permitted, store, ids, request, now, readJson }) {
    await permitted();
    const { uuid: _uuid, token: _token, ...given } = input;
    const record = {
      ...Object.fromEntries(Object.entries(given).map(([key, value]) => [key, parsed(value, readJson)])),
      uuid: target,
      timestamp: typeof given['timestamp'] === 'string' ? given['timestamp'] : new Date(now()).toISOString(),
    };
    const id = ids.uuid('data', request);
    const sent = readMessage({ devices: '*', payload: record }, target, id);
    checkMessageSize(sent, maxRecordBytes);
    const stored = storedValue(record, '') as Record<string, unknown>;
    await store.collection('data').replaceOne({ _id: id }, { ...stored, _id: id, uuid: target }, { upsert: true });
    return { output: {}, messages: [sent] };
  },

  async getdata({ start, finish, limit }, { actor, store }) {
    const between = { ...(start !== undefined && { $gte: start }), ...(finish !== undefined && { $lte: finish }) };
    const found = await store
      .collection('data')
      .find({ uuid: actor.uuid, ...(Object.keys(between).length > 0 && { timestamp: between }) })
      .sort({ timestamp: -1 })
      .limit(countOf(limit))
      .toArray();
    const data = found.map(({ _id, ...record }) => outgoingValue(record) as Record<string, unknown>);
    return { output: { data, fromUuid: actor.uuid } };
  },

  async events(_input, { actor, store }) {
    const found = await store
      .collection('events')
      .find({ $or: [{ fromUuid: actor.uuid }, { uuid: actor.uuid }] })
      .sort({ timestamp: -1 })
      .limit(10)
      .toArray();
    if (found.length === 0) throw new RegistryError('not-found', 'Events not found');
    return { output: { events: found.map(({ _id, ...entry }) => outgoingValue(entry) as Record<string, unknown>) } };
  },
};
