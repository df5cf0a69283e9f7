import { RegistryError, type ErrorDetail, type Row } from '@rollcall/client/contract';
import { anyFurther, type HttpForm } from '../../operations/describe/form.ts';
import type { Properties } from './dialect.ts';

/** Checks the query of a request. Fails with `invalid-input`. */
export type CheckQuery = (query: Properties) => void;

const refuse = (details: readonly ErrorDetail[]): never => {
  throw new RegistryError('invalid-input', undefined, { details });
};

/**
 * The check of a route's query: its names must be those that the route documents, each at most once unless it is a list.
 *
 * `ignored`: names that are documented nowhere and do no harm.
 */
export const checkQuery = ({ parameters }: HttpForm, { mutates }: Row, ignored: readonly string[] = []): CheckQuery => {
  const named = parameters.filter((parameter) => parameter.in === 'query');
  const lists = new Set(named.filter(({ schema }) => schema['type'] === 'array').map(({ name }) => name));
  const known = new Set([...named.map(({ name }) => name), ...ignored]);
  const isOpen = known.delete(anyFurther);
  // What a search is asked for twice is a condition on a list.
  const mayRepeat = (name: string): boolean => lists.has(name) || (isOpen && !mutates);
  return (query) => {
    for (const [name, value] of Object.entries(query)) {
      const path = `/${name}`;
      if (!known.has(name) && !isOpen)
        refuse([{ path, rule: 'additionalProperties', message: 'there is no such parameter in the query of this route' }]);
      if (Array.isArray(value) && !mayRepeat(name))
        refuse([{ path, rule: 'maxItems', message: 'is given more than once in the query' }]);
    }
  };
};
