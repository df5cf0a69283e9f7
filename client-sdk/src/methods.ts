import type * as contract from './contract/index.ts';
import type { Input, Output, Row } from './contract/index.ts';
import { names } from './names.ts';
import type { CallOptions } from './options.ts';

/** One operation as a method: the input may be left out if none of its fields is needed. */
export type Method<R> = R extends Row
  ? {} extends Input<R>
    ? (input?: Input<R>, options?: CallOptions) => Promise<Output<R>>
    : (input: Input<R>, options?: CallOptions) => Promise<Output<R>>
  : never;

/** The rows of one file as methods. The keys are mapped as they are, so that an editor shows each row's own comment. */
export type Methods<M> = { readonly [K in keyof M]: Method<M[K]> };

type Contract = typeof contract;

/** Names of the contract's areas: those of its exports that hold rows. `live` is more than its rows: see `ClientBase`. */
export type Area = Exclude<
  { [A in keyof Contract]: Extract<Contract[A][keyof Contract[A]], Row> extends never ? never : A }[keyof Contract],
  'meshblu' | 'live'
>;

/** Every operation of the contract: `client.whoami()`, `client.documents.update({ … })`. */
export type Operations = Methods<Contract['meshblu']> & { readonly [A in Area]: Methods<Contract[A]> };

/** Sends a call by the name of its event. */
export type Send = (event: string, input: unknown, options: CallOptions | undefined) => Promise<unknown>;

const method = (event: string, send: Send) => (input?: unknown, options?: CallOptions) => send(event, input, options);

const flat: ReadonlySet<string> = new Set(names.meshblu.split(' '));
const areas: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(names)
    .filter(([area]) => area !== 'meshblu')
    .map(([area, verbs]) => [area, new Set(verbs.split(' '))]),
);

/**
 * The target with every operation of the contract as a method: `x.whoami` sends the event `whoami`, `x.users.create` sends
 * `users:create`. Every other name is undefined, so that a misspelt one is an error where it is called.
 */
export const withOperations = <T extends object>(target: T, send: Send): T & Operations =>
  new Proxy(target, {
    get: (own, name) => {
      if (name in own || typeof name !== 'string') return Reflect.get(own, name) as unknown;
      const verbs = areas.get(name);
      if (verbs === undefined) return flat.has(name) ? method(name, send) : undefined;
      return new Proxy(flat.has(name) ? method(name, send) : {}, {
        get: (area, verb) =>
          typeof verb === 'string' && verbs.has(verb) ? method(`${name}:${verb}`, send) : (Reflect.get(area, verb) as unknown),
      });
    },
  }) as T & Operations;
