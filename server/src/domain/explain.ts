import type { Explanation, Permission } from '@rollcall/client/contract';
import { decide, namings, type Gate, type Subject, groupPaths } from './access.ts';
import { compilePermissions, resourceOf, type Verb } from './permissions.ts';
import type { DeviceDocument } from './documents/device.ts';
import type { RoleDocument } from './documents/role.ts';

/** The question whether a subject may make a call, as far as that is known beforehand. */
export interface Question {
  /** The subject as the policy sees it, acting for itself. */
  readonly subject: Subject;
  /** The roles that the subject holds, the private role last. */
  readonly roles: readonly RoleDocument[];
  /** Whether the subject can be given roles: a device without a principal cannot. */
  readonly isPrincipal: boolean;
  readonly gate: Gate;
  /** The document that the call names; null if there is none. */
  readonly target: DeviceDocument | null;
  readonly input: Readonly<Record<string, unknown>>;
}

type By = NonNullable<Explanation['by']>;
type Step = NonNullable<Explanation['change']>[number];

interface Wanted {
  readonly operation: Verb;
  readonly path: string;
}

/** The name of the group that the call takes over, for which lists do not count. */
const groupOf = ({ gate, target }: Question): string | undefined =>
  'target' in gate && gate.ofGroup === 'name' ? target?._rollcall?.group : undefined;

/** What a role would have to allow; undefined if no role helps. */
const wantedOf = (question: Question): Wanted | undefined => {
  const { gate, target, input } = question;
  const name = groupOf(question);
  if (name !== undefined && target !== null) {
    const path = groupPaths(target.uuid, name)[0];
    return path === undefined ? undefined : { operation: 'write', path };
  }
  const [operation, template] =
    'permission' in gate ? [gate.operation, gate.permission] : target === null ? [] : [gate.twin?.operation, gate.twin?.path];
  const path = template === undefined ? undefined : resourceOf(template, input);
  return operation === undefined || path === undefined ? undefined : { operation, path };
};

interface Held {
  readonly role: RoleDocument;
  readonly permission: Permission;
}

const heldFor = (question: Question, wanted: Wanted | undefined): readonly Held[] => {
  if (wanted === undefined) return [];
  const name = groupOf(question);
  const paths = name === undefined ? [wanted.path] : groupPaths(question.target?.uuid ?? '', name);
  const helps = (permission: Permission): boolean => {
    const permissions = compilePermissions([permission]);
    return paths.some((path) => permissions.allow('http', wanted.operation, path));
  };
  return question.roles.flatMap((role) => role.permissions.filter(helps).map((permission) => ({ role, permission })));
};

/** What allows the call whatever whitelists and roles say; no change can turn that. */
const fixed = (question: Question): By | undefined => {
  const { subject, gate, target, input } = question;
  const { uuid } = subject;
  if ('public' in gate) return { kind: 'public' };
  if ('self' in gate) return { kind: 'identity' };
  if ('permission' in gate) return gate.orSelf !== undefined && input[gate.orSelf] === uuid ? { kind: 'self' } : undefined;
  if (!('target' in gate)) return { kind: 'identity' };
  return target?.uuid === uuid && groupOf(question) === undefined ? { kind: 'self' } : undefined;
};

/**
 * The step that takes a shared role from the user, or removes the one permission from the private
 * role.
 */
const without = ({ role, permission }: Held, uuid: string): Step =>
  role.ownerUuid === undefined
    ? { kind: 'take-role', user: uuid, roleId: role._id }
    : { kind: 'remove-permission', roleId: role._id, permissionId: permission.id };

const unique = (steps: readonly Step[]): Step[] => [...new Map(steps.map((step) => [JSON.stringify(step), step])).values()];

/**
 * Explains a decision: whether the subject may make the call, by which grant, and the smallest
 * change that would turn the answer. That is one step where a grant is missing, and every single
 * grant where the call is allowed. Each step affects as few users as possible. `change` is null if
 * no change would turn it.
 *
 * The policy itself gives the answer.
 */
export const explain = (question: Question): Explanation => {
  const { subject, gate, target, input, isPrincipal } = question;
  const { allowed } = decide(subject, gate, target, input);
  const settled = fixed(question);
  if (settled !== undefined) return { allowed, by: allowed ? settled : null, change: null };
  const list = 'target' in gate && groupOf(question) === undefined ? gate.whitelist : undefined;
  const places = list === undefined || target === null ? [] : namings(target, list, subject);
  const wanted = wantedOf(question);
  const held = heldFor(question, wanted);

  if (!allowed) {
    if (list !== undefined && target !== null) {
      const path = `meshblu.whitelists.${list}`;
      return { allowed, by: null, change: [{ kind: 'add-entry', device: target.uuid, path, entry: subject.uuid }] };
    }
    if (wanted === undefined || !isPrincipal) return { allowed, by: null, change: null };
    const permission = { context: 'http' as const, resource: wanted.path, operation: wanted.operation };
    return { allowed, by: null, change: [{ kind: 'add-permission', user: subject.uuid, permission }] };
  }

  const [first] = places;
  const [role] = held;
  const by: By | null =
    first !== undefined && list !== undefined
      ? { kind: 'whitelist', list, ...first }
      : role === undefined
        ? null
        : { kind: 'role', roleId: role.role._id, roleName: role.role.name, permission: role.permission };
  const ends: Step[] = places.map(({ path, entry }) => ({ kind: 'remove-entry', device: target?.uuid ?? '', path, entry }));
  return { allowed, by, change: unique([...ends, ...held.map((one) => without(one, subject.uuid))]) };
};
