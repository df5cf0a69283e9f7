import { clientRegistry, maintenance, meshblu, mqttClients, roles, users } from '@rollcall/client/contract';
import { tokenView } from '../../domain/mqtt-token.ts';
import { awaitedName, requestView } from '../../domain/registration.ts';
import { statusView } from '../../domain/backup-status.ts';
import { definePush, type Push } from './pushes.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** What a record's account is told when `is` holds of the principal. */
const ofRecord =
  (is: (record: PrincipalDocument, removed: boolean) => boolean) => (record: PrincipalDocument, removed: boolean) => {
    const { _id: uuid, kind, state, owner, mqtt, was } = record;
    const { recordId, clientId } = mqtt ?? was ?? {};
    const isWhole = kind === 'mqttClient' && state !== 'creating' && owner !== undefined;
    if (!isWhole || recordId === undefined || clientId === undefined || !is(record, removed)) return null;
    return { input: { id: recordId }, owner, body: { id: recordId, clientId, uuid } };
  };

const isNew = ({ createdAt, updatedAt }: PrincipalDocument): boolean => updatedAt.getTime() === createdAt.getTime();
/** Whoever goes by himself has expired. */
const isOver = ({ _id, _rollcall: hidden }: PrincipalDocument): boolean => hidden?.gone?.by === _id;

/** What a record's account is told when its client has come or gone. */
const ofClient =
  (online: boolean) =>
  ({ uuid, online: isOnline, _rollcall: hidden }: DeviceDocument, removed: boolean) => {
    const { record, presence, rev } = hidden ?? {};
    if (removed || record === undefined || (isOnline === true) !== online || presence?.at !== rev) return null;
    const { id, clientId, owner } = record;
    return { input: { id }, owner, body: { id, clientId, uuid } };
  };

/** Every push, one row each (AC-7); `push` says how to add one. */
export const pushTable: readonly Push[] = [
  definePush({
    collection: 'principals',
    event: 'users:changed',
    reads: users.get,
    of: ({ _id: id, kind, state }, removed) =>
      kind === 'user' && (removed || state !== 'creating') ? { input: { id }, body: { id, removed } } : null,
  }),
  definePush({
    collection: 'roles',
    event: 'roles:changed',
    reads: roles.get,
    of: ({ _id: id }, removed) => ({ input: { id }, body: { id, removed } }),
  }),
  definePush({
    collection: 'registrations',
    event: 'clientRegistry:requested',
    reads: clientRegistry.list,
    of: (request, removed) =>
      removed || request.granted ? null : { input: {}, body: requestView(request), awaited: awaitedName(request) },
  }),
  definePush({
    collection: 'registrations',
    event: 'clientRegistry:granted',
    reads: clientRegistry.list,
    of: (request, removed) =>
      removed || !request.granted ? null : { input: {}, body: { username: request.username }, awaited: awaitedName(request) },
  }),
  definePush({
    collection: 'principals',
    event: 'mqttTokens:created',
    reads: meshblu.device,
    of: (principal, removed) => {
      const { kind, state, tenant: group } = principal;
      if (kind !== 'mqttToken' || state !== 'active' || removed || group === undefined) return null;
      return { input: { uuid: group }, body: { ...tokenView(principal), group } };
    },
  }),
  definePush({
    collection: 'principals',
    event: 'mqttTokens:revoked',
    reads: meshblu.device,
    of: ({ _id: uuid, kind, state, tenant: group, was }, removed) =>
      kind !== 'mqttToken' || state === 'creating' || !removed || group === undefined
        ? null
        : { input: { uuid: group }, body: { uuid, token: was?.topicToken ?? '', group } },
  }),
  definePush({
    collection: 'principals',
    event: 'mqttClients:created',
    reads: mqttClients.get,
    of: ofRecord((record, removed) => !removed && isNew(record)),
  }),
  definePush({
    collection: 'principals',
    event: 'mqttClients:updated',
    reads: mqttClients.get,
    of: ofRecord((record, removed) => !removed && !isNew(record)),
  }),
  definePush({
    collection: 'principals',
    event: 'mqttClients:deleted',
    reads: mqttClients.get,
    of: ofRecord((record, removed) => removed && !isOver(record)),
  }),
  definePush({
    collection: 'principals',
    event: 'mqttClients:expired',
    reads: mqttClients.get,
    of: ofRecord((record, removed) => removed && isOver(record)),
  }),
  definePush({ collection: 'devices', event: 'mqttClients:connected', reads: mqttClients.get, of: ofClient(true) }),
  definePush({ collection: 'devices', event: 'mqttClients:disconnected', reads: mqttClients.get, of: ofClient(false) }),
  definePush({
    collection: 'maintenance',
    event: 'maintenance:progress',
    reads: maintenance.status,
    of: (document) => ({ input: {}, body: statusView(document) }),
  }),
];
