import type { EffectivePermissions, PrincipalPermissions } from '../identity/effective-permissions.ts';
import { hears } from '../domain/access.ts';
import type { Permissions } from '../domain/permissions.ts';
import { chain, type MaybePromise } from '../common/maybe-promise.ts';
import type { MqttIdentity } from './login.ts';
import { isDeviceTopic, mayPublish, mayRead, ownRights, type OwnRights } from '../domain/topic-rights.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/**
 * The rights of MQTT clients on topics at this moment, for the internal and external brokers
 * (DM-5).
 */
export interface TopicPermission {
  /**
   * May it publish to this topic, which includes the prefix? Synchronous if nothing has to be
   * loaded.
   */
  publish(identity: MqttIdentity, topic: string, own?: OwnRights): MaybePromise<boolean>;
  /** May it subscribe to this filter? Its rights have to cover everything the filter matches. */
  subscribe(identity: MqttIdentity, filter: string, own?: OwnRights): MaybePromise<boolean>;
  /** May it receive the broadcasts of the device whose uuid is this topic (MS-2.17)? */
  hear(identity: MqttIdentity, uuid: string): Promise<boolean>;
  /**
   * May it receive a message on this topic? Synchronous. Undefined if something has to be loaded.
   */
  receive(identity: MqttIdentity, topic: string, own: OwnRights): boolean | undefined;
}

/** Creates the checks. A refusal by roles is confirmed on a fresh read. */
export const createTopicPermission = (kit: {
  readonly authorities: Pick<EffectivePermissions, 'peek' | 'of' | 'getFresh'>;
  readonly devices: Repository<DeviceDocument>;
}): TopicPermission => {
  const { authorities, devices } = kit;

  const byRole = ({ actor: { principal, uuid } }: MqttIdentity, asks: (roles: Permissions) => boolean): MaybePromise<boolean> => {
    if (principal !== true) return false;
    const cached = authorities.peek(uuid);
    const allow = (authority: PrincipalPermissions | null): boolean => authority !== null && asks(authority.permissions);
    return chain(
      cached === undefined ? authorities.of(uuid) : cached,
      (found) => allow(found) || authorities.getFresh(uuid).then(allow),
    );
  };

  return {
    publish: (identity, topic, own = ownRights(identity)) =>
      mayPublish(own, undefined, topic) || byRole(identity, (roles) => mayPublish(own, roles, topic)),

    subscribe: (identity, filter, own = ownRights(identity)) =>
      mayRead(own, undefined, filter) || byRole(identity, (roles) => mayRead(own, roles, filter)),

    async hear({ actor }, uuid) {
      if (!isDeviceTopic(uuid)) return false;
      const emitter = (await devices.get(uuid)) ?? (await devices.getFresh(uuid));
      return emitter !== null && hears(actor, 'broadcast', emitter);
    },

    receive({ actor }, topic, own) {
      if (own.read(topic)) return true;
      if (actor.principal !== true) return false;
      const authority = authorities.peek(actor.uuid);
      return authority === undefined ? undefined : authority !== null && mayRead(own, authority.permissions, topic);
    },
  };
};
