import { isPlainObject } from '../common/plain-object.ts';
import type { DeviceDocument } from './documents/device.ts';

/**
 * A request that a device wants made for it. Only these options of a document reach the HTTP
 * library.
 */
export interface WebhookRule {
  readonly url: string;
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  /** Sign the request with the registry's key (MS-6.5). */
  readonly signed: boolean;
  /** Give the request a token of the device that lives as long as the request. */
  readonly withCredentials: boolean;
}

/** What a device has asked for when something of one type happens to it. */
export interface Forwarders {
  readonly hooks: readonly WebhookRule[];
  /** Emit what was received again, as the device's own. */
  readonly again: boolean;
  /** Devices to which old settings send messages on. */
  readonly to: readonly string[];
}

const maxEntries = 20;
const methods = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE'] as const;
const ownHeaders =
  /^(host|content-length|content-type|connection|transfer-encoding|authorization-signature|x-meshblu-.*|x-rollcall-.*|proxy-.*)$/i;
const isHeaderName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const headersOf = (given: unknown): Readonly<Record<string, string>> => {
  if (!isPlainObject(given)) return {};
  const entries = Object.entries(given).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && isHeaderName.test(entry[0]) && !ownHeaders.test(entry[0]) && !/[\r\n\0]/.test(entry[1]),
  );
  return Object.fromEntries(entries.slice(0, 50));
};

const hookOf = (entry: Readonly<Record<string, unknown>>): WebhookRule | undefined => {
  const url = entry['url'] ?? entry['uri'];
  if (typeof url !== 'string' || url.length > 2048 || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return undefined;
  const wanted = entry['method'] ?? 'POST';
  const method = methods.find((known) => typeof wanted === 'string' && known === wanted.toUpperCase());
  if (method === undefined) return undefined;
  return {
    url,
    method,
    headers: headersOf(entry['headers']),
    signed: entry['signRequest'] === true,
    withCredentials: entry['generateAndForwardMeshbluCredentials'] === true,
  };
};

const at = (value: unknown, ...keys: readonly string[]): unknown =>
  keys.reduce<unknown>((inner, key) => (isPlainObject(inner) ? inner[key] : undefined), value);

const entriesOf = (list: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(list) ? list.slice(0, maxEntries).filter(isPlainObject) : [];

const unique = (hooks: readonly (WebhookRule | undefined)[]): readonly WebhookRule[] => [
  ...new Map(hooks.filter((hook) => hook !== undefined).map((hook) => [JSON.stringify(hook), hook])).values(),
];

const textsOf = (list: unknown): readonly string[] =>
  Array.isArray(list)
    ? [...new Set(list.slice(0, maxEntries).filter((entry): entry is string => typeof entry === 'string'))]
    : [];

/** The version 2 forwarders of a type, such as `message.received`. Equal entries count once. */
export const forwardersOf = (document: DeviceDocument, group: string, side: 'sent' | 'received'): Forwarders => {
  const entries = entriesOf(at(document['meshblu'], 'forwarders', group, side));
  return {
    hooks: unique(entries.filter(({ type }) => type === 'webhook').map(hookOf)),
    again: entries.some(({ type }) => type === 'meshblu'),
    to: [],
  };
};

/** The old forwarders of a device for a message it got, or for a change of it (MS-6.3). */
export const oldForwardersOf = (document: DeviceDocument, type: 'sent' | 'broadcast' | 'received' | 'config'): Forwarders => {
  const { meshblu } = document;
  const entries = entriesOf(at(meshblu, 'forwarders', type)).filter((entry) => entry['type'] === 'webhook');
  const message = type === 'received' || type === 'broadcast';
  const hooks = message ? entriesOf(at(meshblu, 'messageHooks')) : type === 'config' ? entriesOf(at(meshblu, 'configHooks')) : [];
  const to = message ? textsOf(at(meshblu, 'messageForward')) : type === 'config' ? textsOf(at(meshblu, 'configForward')) : [];
  return { hooks: unique([...entries, ...hooks].map(hookOf)), again: false, to };
};

/**
 * Every webhook of a document, also those that are too many, or of a type that is not used: a later
 * change may bring them into use.
 */
export const allHooksOf = (document: DeviceDocument): readonly WebhookRule[] => {
  const { meshblu } = document;
  const forwarders = at(meshblu, 'forwarders');
  const lists = (value: unknown, depth: number): readonly unknown[][] =>
    Array.isArray(value)
      ? [value as unknown[]]
      : isPlainObject(value) && depth < 2
        ? Object.values(value).flatMap((inner) => lists(inner, depth + 1))
        : [];
  const found = [...lists(forwarders, 0), at(meshblu, 'messageHooks'), at(meshblu, 'configHooks')];
  return unique(found.flatMap((list) => (Array.isArray(list) ? list.filter(isPlainObject).map(hookOf) : [])));
};
