import type { Connections } from '../connections.ts';
import { outgoing } from '../domain/outgoing.ts';
import { isProperties } from '../domain/properties.ts';
import type { Presence } from '../presence.ts';
import type { DeviceDocument, TokenDocument } from '../store/collections.ts';
import { innerId } from '../tokens.ts';
import type { Change } from './feed.ts';

/** Turns changes of the feed into what connections are told: `config`, `unregistered`, and the end of credentials. */
export const openPublisher = (connections: Connections, presence: Presence): ((change: Change) => void) => {
  const device = (document: DeviceDocument, change: Change): void => {
    const { uuid, _rollcall: hidden } = document;
    if (hidden?.gone !== undefined) {
      connections.end({ device: uuid }, undefined, { event: 'unregistered', data: outgoing(document) });
      return;
    }
    presence.check(document);
    endInnerTokens(document);
    if (change.type === 'insert' || hidden === undefined || hidden.shown !== hidden.rev) return;
    for (const connection of connections.of(uuid)) {
      connection.deliver('config', outgoing(document), { id: `${uuid}:${hidden.rev}`, cursor: change.cursor });
    }
  };

  /** Tokens inside the device end when they are no longer there. */
  const endInnerTokens = (document: DeviceDocument): void => {
    for (const { actor } of connections.of(document.uuid)) {
      if (actor.credentialId !== innerId(document.uuid, actor.hash)) continue;
      const meshblu = document['meshblu'];
      const tokens = isProperties(meshblu) ? meshblu['tokens'] : undefined;
      if (!isProperties(tokens) || !Object.hasOwn(tokens, actor.hash))
        connections.end({ uuid: actor.uuid, credential: actor.credentialId });
    }
  };

  return (change) => {
    if (change.collection === 'devices' && change.document !== null) device(change.document as DeviceDocument, change);
    if (change.collection !== 'tokens') return;
    if (change.type === 'delete') connections.endCredential(String(change.id));
    else if (change.type === 'replace' && change.document !== null) {
      const { uuid, _id, hashedToken } = change.document as TokenDocument;
      connections.end({ uuid, credential: String(_id), unless: hashedToken });
    }
  };
};
