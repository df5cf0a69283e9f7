import type { Connections } from '../connections.ts';
import { outgoing } from '../../domain/device-view.ts';
import { takesCertificate, takesPassword } from '../../domain/user.ts';
import type { Presence } from '../presence/presence.ts';
import { passwordId } from '../../identity/passwords/passwords.ts';
import { hasInnerToken, innerId } from '../../identity/tokens/device-tokens.ts';
import type { MessageRelay } from './message-relay.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { MessageDelivery } from './message-delivery.ts';
import type { Pushes } from '../pushes/pushes.ts';
import type { Change } from '../../data/feed/change.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';
import type { TokenDocument } from '../../domain/documents/token.ts';
import type { CredentialDocument } from '../../domain/documents/credential.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/**
 * Turns changes of the feed into what connections are told: `config`, `unregistered`, messages of other nodes, pushes, and the end of credentials.
 *
 * What is delivered goes out in the order of the feed; the promise of a change settles when it has gone out.
 */
export const createChangeDispatcher = (options: {
  readonly connections: Connections;
  readonly presence: Presence;
  readonly deliveries: MessageDelivery;
  readonly carriage: MessageRelay;
  readonly pushes: Pick<Pushes, 'matching' | 'deliver'>;
  /** The id of this node. */
  readonly node: string;
  readonly line: DeliveryQueue;
  /** The uuids of those who are worth as much as this user. */
  readonly ownedBy: (uuid: string) => Promise<readonly string[]>;
}): ((change: Change) => Promise<unknown> | undefined) => {
  const { connections, presence, deliveries, carriage, pushes, node, line, ownedBy } = options;
  const nothing = (): undefined => undefined;

  const device = (document: DeviceDocument, change: Change): Promise<unknown> => {
    const { type, cursor, position } = change;
    const { uuid, _rollcall: hidden } = document;
    deliveries.expect(uuid);
    const due = pushes.matching(change);
    const told = (kind: 'configure' | 'unregister', body: unknown): Promise<void> =>
      line.deliver(position, async () => {
        await deliveries.changed(document, kind, body, { id, cursor }, origin);
        if (due.length > 0) await pushes.deliver(due);
      });
    const id = `${uuid}:${hidden?.rev ?? 0}`;
    const origin = hidden?.node === node;
    if (hidden?.gone !== undefined) {
      const body = outgoing(document);
      const ended = connections.revoke({ device: uuid }, { event: 'unregistered', data: body });
      return Promise.all([ended, told('unregister', body)]);
    }
    presence.check(document);
    const ended = endChanged(document);
    const isShown = type !== 'insert' && hidden !== undefined && hidden.shown === hidden.rev;
    return Promise.all([ended, isShown ? told('configure', outgoing(document)) : line.deliver(position, nothing)]);
  };

  /** Tokens inside the device end when they are no longer there; whoever is in another group now has to come back as a member of that one. */
  const endChanged = (document: DeviceDocument): Promise<void> | undefined => {
    const group = document._rollcall?.tenant;
    const ended = [...connections.of(document.uuid)]
      .map(({ actor }) => actor)
      .filter(
        ({ credentialId, hash, tenant }) =>
          (group !== undefined && tenant !== group) ||
          (credentialId === innerId(document.uuid, hash) && !hasInnerToken(document, hash)),
      );
    if (ended.length === 0) return undefined;
    return Promise.all(ended.map(({ uuid, credentialId }) => connections.revoke({ uuid, credential: credentialId }))).then(
      () => undefined,
    );
  };

  /** A user is no longer here by a method that was taken from him, whatever he has shown beside it. */
  const endTaken = (user: PrincipalDocument): Promise<unknown> | undefined => {
    const [byPassword, byCertificate] = [takesPassword(user, 'certificate'), takesCertificate(user, 'password')];
    if (user.kind !== 'user' || (byPassword && byCertificate)) return undefined;
    const ended = [...connections.of(user._id)].filter(
      ({ actor: { method } }) => (method === 'password' && !byPassword) || (method === 'certificate' && !byCertificate),
    );
    const ends = ended.map(({ actor: { uuid, credentialId } }) => connections.revoke({ uuid, credential: credentialId }));
    return ends.length === 0 ? undefined : Promise.all(ends);
  };

  /** Whoever was disabled is here no longer, nor what belongs to him; one who is removed ends with his device. */
  const person = (principal: PrincipalDocument): Promise<unknown> | undefined => {
    const { _id, kind, state, mfa, _rollcall: hidden } = principal;
    if (state !== 'disabled') {
      // By this very change a second factor was turned on: what hangs on the password alone hangs on too little now.
      const isNew = mfa?.since !== undefined && mfa.since === hidden?.rev;
      const ended = endTaken(principal);
      return isNew ? Promise.all([ended, connections.revoke({ uuid: _id, credential: passwordId(_id), attended: true })]) : ended;
    }
    const ended = connections.revoke({ device: _id });
    if (kind !== 'user') return ended;
    return Promise.all([ended, ownedBy(_id).then((all) => Promise.all(all.map((device) => connections.revoke({ device }))))]);
  };

  /** What hangs on a credential ends with it, or when its secret is another one. */
  const secret = (
    { _id, uuid, kind, scope, fingerprint, hash, _rollcall: hidden }: CredentialDocument,
    { type }: Change,
  ): Promise<unknown> | undefined => {
    if (hidden?.gone !== undefined) return connections.revoke({ uuid, credential: _id });
    // An access token is changed but once: when its user has enrolled his second factor.
    if (kind === 'access' && type === 'replace' && scope === undefined) connections.enableEvents(uuid, _id);
    const shown = fingerprint ?? hash;
    return shown === undefined ? undefined : connections.revoke({ uuid, credential: _id, unless: shown });
  };

  return (change) => {
    if (change.document !== null && change.collection === 'devices') return device(change.document as DeviceDocument, change);
    if (change.collection === 'messages') return line.deliver(change.position, () => carriage.receive(change));
    const due = pushes.matching(change);
    void line.deliver(change.position, due.length === 0 ? nothing : () => pushes.deliver(due));
    if (change.document !== null && change.collection === 'principals') return person(change.document as PrincipalDocument);
    if (change.document !== null && change.collection === 'credentials')
      return secret(change.document as CredentialDocument, change);
    if (change.collection !== 'tokens' || change.type !== 'replace' || change.document === null) return undefined;
    const { uuid, _id, hashedToken, _rollcall: hidden } = change.document as TokenDocument;
    const credential = String(_id);
    return connections.revoke(hidden?.gone === undefined ? { uuid, credential, unless: hashedToken } : { uuid, credential });
  };
};
