import type { Authorities, Authority } from '../identity/effective-permissions.ts';
import { hears } from '../domain/access.ts';
import type { Permissions } from '../domain/permissions.ts';
import { soon, type Soon } from '../common/maybe-promise.ts';
import type { MqttIdentity } from './login.ts';
import { isDeviceTopic, mayPublish, mayRead, ownRights, type OwnRights } from '../domain/topic-rights.ts';
import type { Documents } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** What MQTT clients may do with topics as things are now, for brokers in the process and outside (domain model, section 5). */
export interface TopicPermission {
  /** May it publish to this topic? The prefix of its principal stands in front already. At once if nothing has to be loaded. */
  publish(identity: MqttIdentity, topic: string, own?: OwnRights): Soon<boolean>;
  /** May it subscribe to this filter? All that it matches has to be covered. */
  subscribe(identity: MqttIdentity, filter: string, own?: OwnRights): Soon<boolean>;
  /** May it hear the broadcasts of the device that has this uuid for a topic (Meshblu reference, section 2.17)? */
  hear(identity: MqttIdentity, uuid: string): Promise<boolean>;
  /** May it have a message on this topic? Answered at once; undefined if something has to be loaded. */
  receive(identity: MqttIdentity, topic: string, own: OwnRights): boolean | undefined;
}

/** Opens it. A refusal by roles is decided again on a fresh read before it counts. */
export const openTopicPermission = (kit: {
  readonly authorities: Pick<Authorities, 'known' | 'of' | 'fresh'>;
  readonly devices: Documents<DeviceDocument>;
}): TopicPermission => {
  const { authorities, devices } = kit;

  const byRole = ({ actor: { principal, uuid } }: MqttIdentity, asks: (roles: Permissions) => boolean): Soon<boolean> => {
    if (principal !== true) return false;
    const cached = authorities.known(uuid);
    const allow = (authority: Authority | null): boolean => authority !== null && asks(authority.permissions);
    return soon(
      cached === undefined ? authorities.of(uuid) : cached,
      (found) => allow(found) || authorities.fresh(uuid).then(allow),
    );
  };

  return {
    publish: (identity, topic, own = ownRights(identity)) =>
      mayPublish(own, undefined, topic) || byRole(identity, (roles) => mayPublish(own, roles, topic)),

    subscribe: (identity, filter, own = ownRights(identity)) =>
      mayRead(own, undefined, filter) || byRole(identity, (roles) => mayRead(own, roles, filter)),

    async hear({ actor }, uuid) {
      if (!isDeviceTopic(uuid)) return false;
      const emitter = (await devices.find(uuid)) ?? (await devices.fresh(uuid));
      return emitter !== null && hears(actor, 'broadcast', emitter);
    },

    receive({ actor }, topic, own) {
      if (own.read(topic)) return true;
      if (actor.principal !== true) return false;
      const authority = authorities.known(actor.uuid);
      return authority === undefined ? undefined : authority !== null && mayRead(own, authority.permissions, topic);
    },
  };
};
