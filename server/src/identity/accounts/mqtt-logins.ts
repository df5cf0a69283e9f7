import { LRUCache } from 'lru-cache';
import type { Actor } from '../../domain/actor.ts';
import { isLive, loginNameOf, standingOf } from '../../domain/user.ts';
import type { Node } from '../../data/cluster/node.ts';
import { secretId, type MqttSecrets } from '../passwords/mqtt-secrets.ts';
import type { Store } from '../../data/store.ts';
import { notDeleted } from '../../domain/tombstone.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';

/** Somebody who may want to log in at a broker, as far as a broker has to know him. */
export interface MqttPrincipal {
  readonly kind: PrincipalDocument['kind'];
  readonly uuid: string;
  /** The login name as it is shown. Of a client record: the name of its account, which its connections show too. */
  readonly username: string;
  /** The user whose client record it is, or the group that a token belongs to. */
  readonly owner?: string;
  /** First level of a token's topics. */
  readonly topicToken?: string;
  readonly authType?: 'U' | 'S' | 'SN';
  /** The only serial number that a token is for; compared without regard to case. */
  readonly serialNumber?: string;
  /** The only client id that a record is for. */
  readonly clientId?: string;
  /** What it adds to whoever has proved to be it. */
  readonly standing: Pick<Actor, 'principal' | 'tenant'>;
  /** May it be here at all? A record is worth as much as its account. */
  readonly state: 'active' | 'disabled' | 'expired';
  /** Milliseconds since 1970; null if it does not expire. */
  readonly expiresAt: number | null;
}

/** What a broker asks of the registry before anybody is connected (DM-4). */
export interface MqttPrincipals {
  /** The client record with this client id, if there is one; case counts. */
  byClientId(clientId: string): Promise<MqttPrincipal | null>;
  /** The one with this uuid, of any kind, as the store has it now. */
  byUuid(uuid: string): Promise<MqttPrincipal | null>;
  /** Whoever has this login name, of any kind, in any case. */
  byLoginName(name: string): Promise<MqttPrincipal | null>;
  /**
   * Who a token or a client record is that shows its secret; null if the secret is wrong, or for any other kind. `credentialId` is what the
   * connection hangs on: it ends with it. Asks nothing about `state`. For nobody (null) it takes as long as for a secret that somebody chose.
   * Fails with `busy` when too many wait, with `banned` after too many failures from one address.
   */
  verify(principal: MqttPrincipal | null, secret: string, address: string): Promise<Actor | null>;
}

const maxKept = 20_000;

/**
 * Opens the look-ups. Where somebody was found before is kept in mind, and that he is still there is asked of the cached principals; a name that
 * nobody has is kept in mind until a principal changes.
 */
export const createMqttPrincipals = (options: {
  readonly store: Store;
  readonly principals: Repository<PrincipalDocument>;
  readonly mqttSecrets: MqttSecrets;
  readonly node: Pick<Node, 'isOnly'>;
  readonly now: () => number;
}): MqttPrincipals => {
  const { store, principals, mqttSecrets, node, now } = options;
  const rows = store.collection('principals');
  const known = new LRUCache<string, string>({ max: maxKept });
  /** Names that nobody had, with the version of the principals at that time. Not while another node may be giving them to somebody. */
  const free = new LRUCache<string, number>({ max: maxKept });

  const lookUp = async (
    path: 'loginName' | 'mqtt.clientId',
    name: string,
    nameOf: (principal: PrincipalDocument) => string | undefined,
  ): Promise<PrincipalDocument | null> => {
    const key = `${path} ${name}`;
    const version = node.isOnly() ? principals.version() : undefined;
    if (version !== undefined && free.get(key) === version) return null;
    const uuid = known.get(key);
    const before = uuid === undefined ? null : await principals.get(uuid);
    if (before !== null && nameOf(before) === name) return before;
    const found = await rows.findOne({ [path]: name, ...notDeleted });
    if (found !== null) known.set(key, found._id);
    else {
      known.delete(key);
      if (version !== undefined) free.set(key, version);
    }
    return found;
  };

  const view = async (principal: PrincipalDocument | null): Promise<MqttPrincipal | null> => {
    if (principal === null || principal.state === 'creating') return null;
    const { _id: uuid, kind, username = '', owner, tenant, mqtt = {}, expiresAt } = principal;
    const account = owner === undefined ? undefined : ((await principals.get(owner)) ?? (await principals.getFresh(owner)));
    const belongsTo = kind === 'mqttToken' ? tenant : owner;
    const isOver = expiresAt !== undefined && expiresAt.getTime() <= now();
    const { topicToken, authType, serialNumber, clientId } = mqtt;
    return {
      kind,
      uuid,
      username: owner === undefined ? username : (account?.username ?? ''),
      standing: standingOf(principal),
      ...(belongsTo !== undefined && { owner: belongsTo }),
      ...(topicToken !== undefined && { topicToken }),
      ...(authType !== undefined && { authType }),
      ...(serialNumber !== undefined && { serialNumber }),
      ...(clientId !== undefined && { clientId }),
      state: isOver
        ? 'expired'
        : isLive(principal, now()) && (account === undefined || (account !== null && isLive(account, now())))
          ? 'active'
          : 'disabled',
      expiresAt: expiresAt?.getTime() ?? null,
    };
  };

  return {
    byClientId: async (clientId) => view(await lookUp('mqtt.clientId', clientId, ({ mqtt }) => mqtt?.clientId)),

    byUuid: async (uuid) => view(await principals.getFresh(uuid)),

    async byLoginName(name) {
      const loginName = loginNameOf(name);
      return view(await lookUp('loginName', loginName, (principal) => principal.loginName));
    },

    async verify(principal, secret, address) {
      const hasSecret = principal?.kind === 'mqttToken' || principal?.kind === 'mqttClient';
      const hash = await mqttSecrets.verify(hasSecret ? principal.uuid : null, secret, address);
      if (!hasSecret || hash === null) return null;
      return { uuid: principal.uuid, credentialId: secretId(principal.uuid), hash, method: 'secret', ...principal.standing };
    },
  };
};
