import type { Static, TSchema } from 'typebox';
import Type from 'typebox';
import type { ErrorCode, ErrorDetail } from './errors.ts';

/** The version 2 whitelists of Meshblu (MS-4.4). */
export const whitelistNames = [
  'discover.view',
  'discover.as',
  'configure.update',
  'configure.as',
  'configure.sent',
  'configure.received',
  'message.from',
  'message.as',
  'message.sent',
  'message.received',
  'broadcast.sent',
  'broadcast.received',
  'broadcast.as',
] as const;

/** One of the thirteen version 2 whitelists. */
export type Whitelist = (typeof whitelistNames)[number];

/**
 * Who may call an operation.
 *
 * - `public`: anybody, identified or not.
 * - `self`: any identified device, for itself.
 * - `whitelist`: the document named by the input's field `target` must list the caller (or be the caller); missing `target` in the
 *   input means the caller itself. `search`: the list filters what is found instead. `ofGroup: 'name'`: if the document is a group,
 *   no list counts, but a role that allows writing `/groups/<name>`, or the administration of its uuid.
 * - `each`: the field names many, or everybody; the list is asked for each of them at delivery, who is not permitted is skipped.
 * - `permission`: a role of the caller must allow the operation on this path, whose `:name` stands for the input's field of that name;
 *   whitelists count for nothing. `orSelf`: nor is a role needed if that field names the caller.
 *
 * Where a whitelist and a `target` decide, a role that allows the path of the HTTP twin is as good as the list.
 */
export type Access<Field extends string = string> =
  | { readonly public: true }
  | { readonly self: true }
  | { readonly whitelist: Whitelist; readonly target: Field; readonly ofGroup?: 'name' }
  | { readonly whitelist: Whitelist; readonly search: true }
  | { readonly whitelist: Whitelist; readonly each: Field }
  | { readonly permission: `/${string}`; readonly operation: 'read' | 'write'; readonly orSelf?: Field };

/** Another system whose HTTP wire is given. */
export type Dialect = 'accessControl' | 'authToken' | 'mqttTokens' | 'mqttClients';

/** What a row declares. Listeners, routes, client methods, documents and table-driven tests follow from it. */
export interface Row<
  In extends TSchema = TSchema,
  Out extends TSchema = TSchema,
  A extends Access = Access,
  M extends boolean = boolean,
> {
  readonly kind: 'operation';
  readonly summary: string;
  readonly http: readonly string[];
  readonly access: A;
  /** Whose names, statuses and bodies the routes speak, if not ours or Meshblu's: a file of the server's `transports/dialects`. */
  readonly dialect?: Dialect;
  /** Over HTTP a file goes instead of JSON: with the request, where the input names it, or as the answer (default: neither). */
  readonly file?: 'request' | 'response';
  /** May the input carry `uuid` and `token` of a device, to be called as that device? (MS-1.8; default false.) */
  readonly credentials?: boolean;
  /**
   * What a success has to do with credentials that outlive the call (default: nothing).
   *
   * `grants`: it makes, hands out or sets up one, by the rights of the caller, who must have shown every factor.
   * `proves`: it gives one for proofs that are in the input itself, such as a password and a code.
   */
  readonly credential?: 'grants' | 'proves';
  /**
   * May a user make it who came by a password alone though a code is due, as MQTT clients do? By default a call that changes
   * nothing and grants no credential. Of a device it then changes no property that decides about access.
   */
  readonly passwordAlone?: boolean;
  /**
   * Is each call of it written into the audit? By default yes if it changes something, and a role's permission opens it or its HTTP wire is one of
   * those of the administration and the logins.
   */
  readonly audit?: boolean;
  /** May a login make it that has still to enrol a second factor? (AC-3.3; default false.) */
  readonly enrolling?: boolean;
  /** Does it compare the revision that the caller expects of the target with the present one? (Default false: such a call is refused.) */
  readonly checksRevision?: boolean;
  /** Does a success change something? Such calls carry a `reqId` and take effect once. */
  readonly mutates: M;
  readonly input: In;
  readonly output: Out;
  /** Failures beyond those that any call can meet. */
  readonly errors: readonly ErrorCode[];
  /** The sentence of an input that its schema refuses, where a reference gives one. */
  readonly refusal?: (details: readonly ErrorDetail[]) => string;
}

/**
 * Declares an operation. The path of the export is the event's name: `register` is 'register', `users.create` is 'users:create'.
 *
 * `http` holds routes as `'METHOD /path/:parameter'`; the first is ours or Meshblu's newest, the others are older forms of it.
 */
export const operation = <
  In extends TSchema,
  Out extends TSchema,
  const A extends Access<keyof Static<In> & string>,
  const M extends boolean,
>(
  row: Omit<Row<In, Out, A, M>, 'kind'>,
): Row<In, Out, A, M> => ({ kind: 'operation', ...row });

/** The argument of a row. */
export type Input<R extends Row> = Static<R['input']>;

/** The result of a row. */
export type Output<R extends Row> = Static<R['output']>;

/** An object with some known properties and any others beside them. */
export const open = <P extends Record<string, TSchema>>(properties: P) =>
  Type.Intersect([Type.Object(properties), Type.Record(Type.String(), Type.Unknown())]);
