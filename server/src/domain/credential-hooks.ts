import { createHash } from 'node:crypto';
import { equalValues } from '../mql/index.ts';
import { versionOneNames } from './access.ts';
import { allHooksOf, type WebhookRule } from './webhook-rules.ts';
import { isPlainObject } from '../common/plain-object.ts';
import type { Revision } from './revision.ts';
import type { DeviceDocument } from './documents/device.ts';

/**
 * The fingerprint of a hook with all its options: one that goes elsewhere, or with other headers,
 * is another one.
 */
export const fingerprintOfHook = (hook: WebhookRule): string =>
  createHash('sha256').update(JSON.stringify(hook)).digest('base64url');

/**
 * The fingerprints of the hooks of a document that forward credentials of its device, each once.
 */
const credentialHooksOf = (document: DeviceDocument): readonly string[] => [
  ...new Set(
    allHooksOf(document)
      .filter(({ withCredentials }) => withCredentials)
      .map(fingerprintOfHook),
  ),
];

/**
 * The revision with the approved hooks of a principal's device: those that forward its credentials,
 * and were added by an actor who may issue tokens for it. Null if an actor who may not (`mayIssue`
 * false) adds one.
 *
 * An unapproved hook stays unapproved when another actor changes the document: it has to be removed
 * and added again.
 */
export const withApprovedHooks = (
  before: DeviceDocument,
  revision: Revision<DeviceDocument>,
  mayIssue: boolean,
): Revision<DeviceDocument> | null => {
  const { next } = revision;
  if (before._rollcall?.principal !== true) return revision;
  const approved = before._rollcall.credentialHooks ?? [];
  const wanted = credentialHooksOf(next);
  if (wanted.length === 0 && approved.length === 0) return revision;
  const earlier = new Set(credentialHooksOf(before));
  if (!mayIssue && wanted.some((hook) => !earlier.has(hook))) return null;
  const credentialHooks = wanted.filter((hook) => approved.includes(hook) || !earlier.has(hook));
  return { ...revision, next: { ...next, _rollcall: { ...(next._rollcall ?? before._rollcall), credentialHooks } } };
};

const serversOwn = new Set(['hash', 'createdAt', 'updatedAt', 'updatedBy', 'tokens']);

const settingsOf = (document: DeviceDocument): Readonly<Record<string, unknown>> => {
  const { meshblu } = document;
  const kept = isPlainObject(meshblu) ? Object.entries(meshblu).filter(([name]) => !serversOwn.has(name)) : [];
  const named = [...versionOneNames, 'owner', 'publicKey'].map((name): [string, unknown] => [name, document[name] ?? null]);
  const group = document._rollcall?.group ?? null;
  return { meshblu: Object.fromEntries<unknown>(kept), group, named: Object.fromEntries<unknown>(named) };
};

/**
 * True if a change touches nothing that decides who may do what, where hooks go, or by which key
 * the device is known.
 */
export const keepsAccess = (before: DeviceDocument, next: DeviceDocument): boolean =>
  equalValues(settingsOf(before), settingsOf(next));
