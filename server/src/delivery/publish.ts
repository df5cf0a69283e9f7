import type { Connections } from '../connections.ts';
import { outgoing } from '../domain/outgoing.ts';
import type { Presence } from '../presence.ts';
import type { DeviceDocument, TokenDocument } from '../store/collections.ts';
import { hasInnerToken, innerId } from '../tokens.ts';
import type { Change } from './feed.ts';

/** Turns changes of the feed into what connections are told: `config`, `unregistered`, and the end of credentials. */
export const openPublisher = (connections: Connections, presence: Presence): ((change: Change) => Promise<void> | undefined) => {
  const device = (document: DeviceDocument, change: Change): Promise<void> | undefined => {
    const { uuid, _rollcall: hidden } = document;
    if (hidden?.gone !== undefined) {
      return connections.end({ device: uuid }, { event: 'unregistered', data: outgoing(document) });
    }
    presence.check(document);
    const ended = endInnerTokens(document);
    if (change.type === 'insert' || hidden === undefined || hidden.shown !== hidden.rev) return ended;
    connections.send(connections.of(uuid), 'config', outgoing(document), { id: `${uuid}:${hidden.rev}`, cursor: change.cursor });
    return ended;
  };

  /** Tokens inside the device end when they are no longer there. */
  const endInnerTokens = (document: DeviceDocument): Promise<void> | undefined => {
    const ended = [...connections.of(document.uuid)]
      .map(({ actor }) => actor)
      .filter(({ credentialId, hash }) => credentialId === innerId(document.uuid, hash) && !hasInnerToken(document, hash));
    if (ended.length === 0) return undefined;
    return Promise.all(ended.map(({ uuid, credentialId }) => connections.end({ uuid, credential: credentialId }))).then(
      () => undefined,
    );
  };

  return (change) => {
    if (change.document !== null && change.collection === 'devices') return device(change.document as DeviceDocument, change);
    if (change.collection !== 'tokens' || change.type !== 'replace' || change.document === null) return undefined;
    const { uuid, _id, hashedToken, _rollcall: hidden } = change.document as TokenDocument;
    const credential = String(_id);
    return connections.end(hidden?.gone === undefined ? { uuid, credential, unless: hashedToken } : { uuid, credential });
  };
};
