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

/** Settings that handlers read. Each is described in `app/config.ts`. */
export interface OperationSettings {
  readonly openRegistration: boolean;
  readonly passwordPolicy: PasswordPolicy;
  readonly temporaryClientMs: number;
  readonly messageBytes: number;
}

/** Everything a handler may use. Handlers know no transport and emit no events themselves. */
export interface Services extends Identity {
  readonly store: Store;
  readonly devices: Repository<DeviceDocument>;
  readonly tokens: DeviceTokens;
  readonly ids: IdempotentIds;
  /** Applies revocations of a call that fails. A call that succeeds returns them in its result. */
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
  /** Time of a device's last sign of life, in milliseconds since 1970; see `Presence`. */
  readonly lastSeenAt: (document: DeviceDocument) => number | undefined;
  readonly backupJobs: BackupJobs;
  /** Parses JSON text under the rules for client input. Fails with `invalid-input`. */
  readonly readJson: (text: string) => unknown;
  /** Current time in milliseconds since 1970. */
  readonly now: () => number;
  readonly config: OperationSettings;
}

/** Result of a handler: the answer, and the credentials or connections it revokes. */
export interface Result<T> {
  readonly output: T;
  readonly revokes?: readonly Revocation[];
  /**
   * Repeats a search for credentials to revoke that found none, and says whether it found one now.
   * Called after the barrier has proved that this node is not cut off.
   */
  readonly recheck?: () => Promise<boolean>;
  /** Ids for the audit entry that the input does not contain. */
  readonly auditTargets?: readonly string[];
  /**
   * Called after the call has succeeded, just before the answer is sent.
   * For effects that would prevent the answer from reaching the caller.
   */
  readonly afterReply?: () => void;
  /** Messages to send once the call has succeeded. */
  readonly messages?: readonly Sent[];
}

/** Context that every handler gets in addition to its input. */
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
  /** The identified connection of the caller, which can receive events; null over HTTP. */
  readonly connection: Connection | null;
  /** Connection of the caller, identified or not, for news of what it waits for; null over HTTP. */
  readonly caller: Subscriber | null;
}

/** A call of an identified caller. */
interface KnownCall extends AnyCall {
  readonly actor: Actor;
  /** The device on whose behalf the call is made: the actor, or the device named by `as`. */
  readonly subject: string;
}

/** A call that names a document. */
interface TargetedCall extends KnownCall {
  readonly target: string;
  /**
   * Decides on a fresh read of the target. Fails with `forbidden`.
   * For calls that grant lasting access without writing the target.
   */
  permitted(): Promise<DeviceDocument>;
}

/**
 * A call that changes the document it names. Every change goes through `update`, which decides
 * about it.
 */
interface UpdatingCall extends TargetedCall {
  update(compute: (before: DeviceDocument) => Revision<DeviceDocument> | null): Promise<UpdateOutcome<DeviceDocument>>;
}

/** A call that reads the document it names, which is loaded and permitted already. */
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

/** Implementation of one row. */
export type Handler<R extends Row> = (input: Input<R>, call: CallOf<R>) => Promise<Result<Output<R>>> | Result<Output<R>>;

type Rows<M> = { readonly [K in keyof M as M[K] extends Row ? K : never]: M[K] extends Row ? Handler<M[K]> : never };
type Areas = {
  readonly [A in keyof typeof contract as (typeof contract)[A] extends Readonly<Record<string, Row>> ? A : never]: Rows<
    (typeof contract)[A]
  >;
};

/** The handlers of the contract: exactly one for each row, with the row's types. */
export type Implementation = Areas;
