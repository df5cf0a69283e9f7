import type { Actor, Ending } from '../domain/actor.ts';
import type * as contract from '@rollcall/client/contract';
import type { Input, Output, Row } from '@rollcall/client/contract';
import type { Audit } from './audit/audit-log.ts';
import type { Authorities } from '../identity/effective-permissions.ts';
import type { Pins } from '../identity/certificates/bindings.ts';
import type { Trust } from '../identity/certificates/trust-store.ts';
import type { ClientRegistry } from '../identity/enrollment/requests.ts';
import type { Connection, Connections } from '../realtime/connections.ts';
import type { Listening } from '../realtime/subscriptions.ts';
import type { Caller, Waiting } from '../realtime/pushes/pending-callers.ts';
import type { Sent } from '../domain/message.ts';
import type { Authenticate } from '../identity/authenticate.ts';
import type { Resume } from '../realtime/resume/resume.ts';
import type { Live } from '../realtime/live/live.ts';
import type { Config } from '../app/config.ts';
import type { Store } from '../store/port.ts';
import type { RouteTable } from './route-table.ts';
import type { StoredSubscriptions } from '../realtime/stored-subscriptions.ts';
import type { Logins } from '../identity/passwords/password-login.ts';
import type { Jobs } from '../backup/jobs.ts';
import type { MqttClients } from '../identity/accounts/client-records.ts';
import type { Mfa } from '../identity/mfa/mfa.ts';
import type { MqttPrincipals } from '../identity/accounts/mqtt-logins.ts';
import type { MqttSecrets } from '../identity/passwords/mqtt-secrets.ts';
import type { Passwords } from '../identity/passwords/passwords.ts';
import type { Sessions } from '../identity/tokens/login-sessions.ts';
import type { Tokens } from '../identity/tokens/device-tokens.ts';
import type { Users } from '../identity/accounts/users.ts';
import type { DerivedIds } from '../data/repository/idempotent-ids.ts';
import type { Groups } from '../identity/accounts/groups.ts';
import type { RequestId, Revised, Revision } from '../domain/revision.ts';
import type { Documents } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';
import type { CredentialDocument } from '../domain/documents/credential.ts';
import type { PrincipalDocument } from '../domain/documents/principal.ts';
import type { RoleDocument } from '../domain/documents/role.ts';

/** What a handler may use. It knows no transport and emits nothing. */
export interface Services {
  readonly store: Store;
  readonly devices: Documents<DeviceDocument>;
  readonly tokens: Tokens;
  readonly ids: DerivedIds;
  readonly principals: Documents<PrincipalDocument>;
  readonly roles: Documents<RoleDocument>;
  readonly credentials: Documents<CredentialDocument>;
  readonly authorities: Authorities;
  readonly users: Users;
  readonly groups: Groups;
  readonly logins: Logins;
  readonly mfa: Mfa;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly mqttSecrets: MqttSecrets;
  readonly mqttPrincipals: MqttPrincipals;
  readonly mqttClients: MqttClients;
  readonly pins: Pins;
  readonly trust: Trust;
  readonly clientRegistry: ClientRegistry;
  /** Carries out endings of a call that fails; one that succeeds returns them. */
  readonly end: (ends: readonly Ending[]) => Promise<void>;
  /** The group of whoever has none of his own. */
  readonly rootGroup: string;
  /** Forgets the password of the first administrator that was made at the first start, if it is his that was changed. */
  readonly firstPasswordChanged: (uuid: string) => Promise<void>;
  readonly subscriptions: StoredSubscriptions;
  readonly listening: Listening;
  readonly waiting: Waiting;
  readonly connections: Connections;
  readonly audit: Pick<Audit, 'list' | 'verify'>;
  readonly routeOf: RouteTable;
  /** The id of this node. */
  readonly node: string;
  readonly live: Live;
  readonly resume: Pick<Resume, 'resume'>;
  readonly authenticate: Authenticate;
  /** When a device last gave a sign of life; see `Presence`. */
  readonly provenAt: (document: DeviceDocument) => number | undefined;
  readonly maintenance: Jobs;
  /** Reads JSON text under the rules for what clients send. Fails with `invalid-input`. */
  readonly readJson: (text: string) => unknown;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly config: Pick<Config, 'openRegistration' | 'passwordPolicy' | 'temporaryClientMs' | 'messageBytes'>;
}

/** What a handler returns: the answer, and whose connections end with it. */
export interface Handled<T> {
  readonly output: T;
  readonly ends?: readonly Ending[];
  /**
   * Given if nothing was found to end: looks once more, after the barrier has proved that this node is not cut off, and says whether there
   * was something after all (see `ending.ts`).
   */
  readonly endAgain?: () => Promise<boolean>;
  /** Whom it was about, where the input does not say: for the audit. */
  readonly about?: readonly string[];
  /** Called when the call has gone through and is about to be answered: for what would keep the answer from its caller. */
  readonly accepted?: () => void;
  /** Messages that go out when the call is accepted. */
  readonly sends?: readonly Sent[];
}

/** What every handler gets beside its input. */
interface AnyCall extends Services {
  /** The number of the call, for what it creates; null if the caller gave none. */
  readonly request: RequestId | null;
  /** The same for callers without identity: a credential in the input makes it a request of somebody. */
  readonly numbered: Omit<RequestId, 'actor'> | null;
  /** The network address of the caller. */
  readonly address: string;
  /** Where the caller can be sent events; null over HTTP. */
  readonly connection: Connection | null;
  /** The same for callers without identity too, to be told of what they wait for; null over HTTP. */
  readonly caller: Caller | null;
}

/** A call of an identified caller. */
interface KnownCall extends AnyCall {
  readonly actor: Actor;
  /** The device on whose behalf the call is made: the actor's, or the one named by `as`. */
  readonly subject: string;
}

/** A call that names a document. */
interface TargetedCall extends KnownCall {
  readonly target: string;
  /** Decides on a fresh read; for what gives lasting power without writing the target. Fails with `forbidden`. */
  permitted(): Promise<DeviceDocument>;
}

/** A call that changes the document it names: the one door, with this call's decision inside. */
interface RevisingCall extends TargetedCall {
  revise(compute: (before: DeviceDocument) => Revision<DeviceDocument> | null): Promise<Revised<DeviceDocument>>;
}

/** A call that reads the document it names: it was loaded and decided on. */
interface ReadingCall extends TargetedCall {
  readonly document: DeviceDocument;
}

type CallOf<R extends Row> = R['access'] extends { readonly public: true }
  ? AnyCall & { readonly actor: Actor | null }
  : R['access'] extends { readonly target: string }
    ? R['mutates'] extends true
      ? RevisingCall
      : ReadingCall
    : KnownCall;

/** What carries out one row. */
export type Handler<R extends Row> = (input: Input<R>, call: CallOf<R>) => Promise<Handled<Output<R>>> | Handled<Output<R>>;

type Rows<M> = { readonly [K in keyof M as M[K] extends Row ? K : never]: M[K] extends Row ? Handler<M[K]> : never };
type Areas = {
  readonly [A in keyof typeof contract as (typeof contract)[A] extends Readonly<Record<string, Row>> ? A : never]: Rows<
    (typeof contract)[A]
  >;
};

/** Every row of the contract has exactly one handler, of the row's types. */
export type Implementation = Areas;
