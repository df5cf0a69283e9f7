import type { PasswordPolicy } from '@rollcall/client/contract';
import type { Actor, Revocation } from '../domain/actor.ts';

export type { Actor } from '../domain/actor.ts';
import type * as contract from '@rollcall/client/contract';
import type { Input, Output, Row } from '@rollcall/client/contract';
import type { Audit } from './audit/audit-log.ts';
import type { Identity } from '../identity/open-identity.ts';
import type { Connection, Connections } from '../realtime/connections.ts';
import type { Subscriptions } from '../realtime/subscriptions.ts';
import type { Subscriber, PendingCallers } from '../realtime/pushes/pending-callers.ts';
import type { Sent } from '../domain/message.ts';
import type { Authenticate } from '../identity/authenticate.ts';
import type { Resume } from '../realtime/resume/resume.ts';
import type { Live } from '../realtime/live/live.ts';
import type { Store } from '../data/store.ts';
import type { RouteTable } from './route-table.ts';
import type { StoredSubscriptions } from '../realtime/stored-subscriptions.ts';
import type { BackupJobs } from '../backup/jobs.ts';
import type { DeviceTokens } from '../identity/tokens/device-tokens.ts';
import type { IdempotentIds } from '../data/repository/idempotent-ids.ts';
import type { RequestId, UpdateOutcome, Revision } from '../domain/revision.ts';
import type { Repository } from '../data/repository/types.ts';
import type { DeviceDocument } from '../domain/documents/device.ts';

/** The settings that handlers read. Each is described in `app/config.ts`. */
export interface OperationSettings {
  readonly openRegistration: boolean;
  readonly passwordPolicy: PasswordPolicy;
  readonly temporaryClientMs: number;
  readonly messageBytes: number;
}

/** What a handler may use. It knows no transport and emits nothing. */
export interface Services extends Identity {
  readonly store: Store;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: DeviceTokens;
  readonly ids: IdempotentIds;
  /** Carries out endings of a call that fails; one that succeeds returns them. */
  readonly revoke: (ends: readonly Revocation[]) => Promise<void>;
  readonly storedSubscriptions: StoredSubscriptions;
  readonly connectionSubscriptions: Subscriptions;
  readonly pendingCallers: PendingCallers;
  readonly connections: Connections;
  readonly audit: Pick<Audit, 'list' | 'verify'>;
  readonly routeOf: RouteTable;
  /** The id of this node. */
  readonly node: string;
  readonly live: Live;
  readonly resume: Pick<Resume, 'resume'>;
  readonly authenticate: Authenticate;
  /** When a device last gave a sign of life; see `Presence`. */
  readonly lastSeenAt: (document: DeviceDocument) => number | undefined;
  readonly backupJobs: BackupJobs;
  /** Reads JSON text under the rules for what clients send. Fails with `invalid-input`. */
  readonly readJson: (text: string) => unknown;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly config: OperationSettings;
}

/** What a handler returns: the answer, and whose connections end with it. */
export interface Result<T> {
  readonly output: T;
  readonly revokes?: readonly Revocation[];
  /**
   * Given if nothing was found to end: looks once more, after the barrier has proved that this node is not cut off, and says whether there
   * was something after all (see `ending.ts`).
   */
  readonly recheck?: () => Promise<boolean>;
  /** Whom it was about, where the input does not say: for the audit. */
  readonly auditTargets?: readonly string[];
  /** Called when the call has gone through and is about to be answered: for what would keep the answer from its caller. */
  readonly afterReply?: () => void;
  /** Messages that go out when the call is accepted. */
  readonly messages?: readonly Sent[];
}

/** What every handler gets beside its input. */
interface AnyCall extends Services {
  /**
   * Request id of the call, from which the ids of what it creates follow; null if the caller gave
   * none.
   */
  readonly request: RequestId | null;
  /**
   * Request id without the actor, also for callers without identity.
   * A credential in the input makes it the request of that actor.
   */
  readonly numbered: Omit<RequestId, 'actor'> | null;
  /** The network address of the caller. */
  readonly address: string;
  /** Where the caller can be sent events; null over HTTP. */
  readonly connection: Connection | null;
  /** Connection of the caller, identified or not, for news of what it waits for; null over HTTP. */
  readonly caller: Subscriber | null;
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
interface UpdatingCall extends TargetedCall {
  update(compute: (before: DeviceDocument) => Revision<DeviceDocument> | null): Promise<UpdateOutcome<DeviceDocument>>;
}

/** A call that reads the document it names: it was loaded and decided on. */
interface ReadingCall extends TargetedCall {
  readonly document: DeviceDocument;
}

type CallOf<R extends Row> = R['access'] extends { readonly public: true }
  ? AnyCall & { readonly actor: Actor | null }
  : R['access'] extends { readonly target: string }
    ? R['mutates'] extends true
      ? UpdatingCall
      : ReadingCall
    : KnownCall;

/** What carries out one row. */
export type Handler<R extends Row> = (input: Input<R>, call: CallOf<R>) => Promise<Result<Output<R>>> | Result<Output<R>>;

type Rows<M> = { readonly [K in keyof M as M[K] extends Row ? K : never]: M[K] extends Row ? Handler<M[K]> : never };
type Areas = {
  readonly [A in keyof typeof contract as (typeof contract)[A] extends Readonly<Record<string, Row>> ? A : never]: Rows<
    (typeof contract)[A]
  >;
};

/** Every row of the contract has exactly one handler, of the row's types. */
export type Implementation = Areas;
