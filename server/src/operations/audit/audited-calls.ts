import { RegistryError, type Row } from '@rollcall/client/contract';
import { LRUCache } from 'lru-cache';
import { looksLikeJwt } from '../../identity/tokens/jwt.ts';
import type { Actor } from '../../domain/actor.ts';
import type { Audit } from './audit-log.ts';
import type { Credentials, Authenticate } from '../../identity/authenticate.ts';
import type { EffectivePermissions } from '../../identity/effective-permissions.ts';
import { detailsOf, type Happening } from '../../domain/audit.ts';
import { isPlainObject } from '../../common/plain-object.ts';
import { looksLikeUuid } from '../../domain/user.ts';
import type { Result } from '../handler.ts';
import type { PrincipalDocument } from '../../domain/documents/principal.ts';
import type { AuditDocument } from '../../domain/documents/audit.ts';

/** The part of a call that the audit log needs. */
export interface AuditedCall {
  readonly name: string;
  readonly row: Row;
  readonly input: unknown;
  readonly actor: Actor | null;
  readonly address: string;
  /** The device that the call is about, if the row names one. */
  readonly target?: string | undefined;
  /** The device that the caller acts for. */
  readonly as?: string | undefined;
}

/** Writes calls into the audit log. */
export interface Auditing {
  /**
   * Runs a call between two audit entries, one before any effect and one with the outcome.
   * The first entry is durable before `work` begins, so that no effect lacks an entry after a
   * crash.
   * If the second cannot be written, the first remains and says that the outcome is unknown.
   */
  around(call: AuditedCall, work: () => Promise<Result<unknown>> | Result<unknown>): Promise<Result<unknown>>;
  /** Writes one entry for a call that was refused before it had any effect. */
  refused(call: AuditedCall, error: RegistryError): Promise<void>;
  /** Writes one entry for an event that is not a call. Never fails. */
  note(
    action: string,
    outcome: string,
    actor: Actor | null,
    about: { readonly target?: string | undefined; readonly address: string },
  ): Promise<void>;
}

/** Whether calls of this row are written into the audit log. */
export const isAudited = ({ audit, access, dialect, mutates }: Row): boolean =>
  audit ?? (mutates && ('permission' in access || dialect !== undefined));

const textsIn = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? (value as readonly unknown[]) : [value]).filter((one) => typeof one === 'string');

const fieldsIn = (input: unknown, names: readonly string[]): readonly string[] =>
  isPlainObject(input) ? names.flatMap((name) => textsIn(input[name])) : [];

const longestTarget = 256;

/** The ids that the input of a call names, in its path or in its list of ids. */
const namedIn = ({ row: { access }, input, actor, target }: AuditedCall): readonly string[] => {
  if (target !== undefined) return [target];
  if ('self' in access) return actor === null ? [] : [actor.uuid];
  if (!('permission' in access)) return [];
  const inPath = [...access.permission.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return fieldsIn(input, [...inPath, 'ids']);
};

const codeOf = (error: unknown): string => (error instanceof RegistryError ? error.code : 'internal');

/**
 * The name of a credential in the log.
 * The hash in the id of a credential stored inside a device is left out.
 */
const credentialOf = (id: string): string => (id.startsWith('inner:') ? id.split(':', 2).join(':') : id);

/**
 * Creates the audit of calls. `report` receives errors of entries that were due after the effect.
 */
export const createAuditing = (options: {
  readonly audit: Pick<Audit, 'add'>;
  readonly authorities: EffectivePermissions;
  readonly byLoginName: (loginName: string) => Promise<PrincipalDocument | null>;
  readonly report: (error: unknown) => void;
}): Auditing => {
  const { audit, authorities, byLoginName, report } = options;

  const person = async (uuid: string): Promise<NonNullable<AuditDocument['actor']>> => {
    const username = (await authorities.of(uuid))?.principal.username;
    return { uuid, ...(username !== undefined && { username }) };
  };

  const whoIs = async (actor: Actor | null): Promise<AuditDocument['actor']> => {
    if (actor === null) return null;
    const { uuid, credentialId, method = 'token' } = actor;
    return {
      ...(actor.principal === true ? await person(uuid) : { uuid }),
      credential: credentialOf(credentialId),
      method,
    };
  };

  const describe = async (call: AuditedCall): Promise<Omit<Happening, 'outcome'>> => {
    const { name: action, row, input, actor, address, as } = call;
    const { username, ...rest } = isPlainObject(input) ? input : {};
    const isNamed = 'public' in row.access && typeof username === 'string';
    const named = isNamed ? await byLoginName(username) : null;
    return {
      action,
      actor: await whoIs(actor),
      targets: [...namedIn(call), ...(named === null ? [] : [named._id])].map((id) => id.slice(0, longestTarget)),
      address,
      // A name that does not exist is not written, because users mistype passwords into that field.
      details: {
        ...detailsOf(isNamed && named === null ? rest : input),
        ...(as !== undefined && { as: as.slice(0, longestTarget) }),
      },
    };
  };

  const add = async (happening: Happening): Promise<void> => {
    try {
      await audit.add(happening);
    } catch (error) {
      report(error);
    }
  };

  /** Facts known only after the call: what was created, who has logged in. */
  const concluded = async (
    begun: Omit<Happening, 'outcome'>,
    { row }: AuditedCall,
    { output, auditTargets = [] }: Result<unknown>,
  ) => {
    const targets = [...new Set([...begun.targets, ...auditTargets, ...fieldsIn(output, ['id', 'uuid', 'ids'])])];
    const isLogin = 'public' in row.access;
    const [first] = isLogin ? targets : [];
    const said = isLogin && isPlainObject(output) ? Object.entries(output) : [];
    const flags = said.filter(([name, value]) => typeof value === 'boolean' || name === 'state');
    return {
      ...begun,
      targets,
      actor: begun.actor ?? (first === undefined ? null : await person(first)),
      details: { ...begun.details, ...(flags.length > 0 && { answer: Object.fromEntries(flags) }) },
    };
  };

  return {
    async around(call, work) {
      const begun = await describe(call);
      const of = await audit.add({ ...begun, outcome: 'begun' });
      try {
        const handled = await work();
        await add({ ...(await concluded(begun, call, handled)), outcome: 'ok', of });
        return handled;
      } catch (error) {
        await add({ ...begun, outcome: codeOf(error), of });
        throw error;
      }
    },
    async refused(call, error) {
      await add({ ...(await describe(call)), outcome: error.code });
    },
    async note(action, outcome, actor, { target, address }) {
      await add({
        action,
        outcome,
        actor: await whoIs(actor),
        targets: target === undefined ? [] : [target],
        address,
        details: {},
      });
    },
  };
};

const isPassword = ({ uuid, token, basic = false }: Credentials): boolean =>
  basic && typeof uuid === 'string' && typeof token === 'string' && !looksLikeJwt(token) && !looksLikeUuid(uuid);

const rememberedMs = 60_000;
const maxRemembered = 5_000;

/** Kinds of login without a call, used as the action of the audit entry. */
export type LoginAction = 'login:password' | 'login:secret' | 'login:certificate';

/**
 * Writes a login attempt into the audit.
 * `actor` is null if the attempt failed. `target` is the account that the attempt names, if it
 * exists.
 */
export type NoteLogin = (
  action: LoginAction,
  actor: Actor | null,
  attempt: { readonly target?: string | undefined; readonly address: string },
) => Promise<void>;

/**
 * Creates the writer of login attempts.
 * Each failed attempt is written, a successful one once a minute per credential and address.
 */
export const createLoginNotes = (auditing: Pick<Auditing, 'note'>): NoteLogin => {
  const noted = new LRUCache<string, true>({ max: maxRemembered, ttl: rememberedMs });
  return async (action, actor, { target, address }) => {
    if (actor === null) return auditing.note(action, 'invalid-credentials', null, { target, address });
    const shown = JSON.stringify([action, actor.uuid, actor.hash, address]);
    if (noted.has(shown)) return;
    noted.set(shown, true);
    await auditing.note(action, 'ok', actor, { target: actor.uuid, address });
  };
};

/**
 * Authenticates and audits logins without a call: a name and a password sent with a request or a
 * connection.
 */
export const auditedLogins = (
  authenticate: Authenticate,
  note: NoteLogin,
  byLoginName: (loginName: string) => Promise<PrincipalDocument | null>,
): Authenticate => {
  const noting: Authenticate = async (attempt) => {
    const actor = await authenticate(attempt);
    const { uuid, address = '' } = attempt;
    if (typeof uuid !== 'string') return actor;
    const target = actor === null ? (await byLoginName(uuid))?._id : actor.uuid;
    await note('login:password', actor, { target, address });
    return actor;
  };
  return (attempt) => (isPassword(attempt) ? noting(attempt) : authenticate(attempt));
};
