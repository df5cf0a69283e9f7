import * as contract from '@rollcall/client/contract';
import type { ErrorDetail, Row } from '@rollcall/client/contract';
import Compile from 'typebox/compile';
import type { Connection } from '../realtime/connections.ts';
import type { Actor } from '../domain/actor.ts';
import { gateOf, type Gate } from '../domain/access.ts';
import type { Result, Implementation, Services } from './handler.ts';
import { handlers } from './handlers/index.ts';

/** One operation: its row, its handler and its compiled input check. */
export interface TableOperation {
  /** Name of the event: `register`, `documents:update`. */
  readonly name: string;
  readonly row: Row;
  readonly access: Gate;
  /** Fields that the input schema declares. */
  readonly declared: Readonly<Record<string, unknown>>;
  readonly handle: (
    input: unknown,
    call: Services & { readonly actor: Actor | null; readonly connection: Connection | null },
  ) => Promise<Result<unknown>> | Result<unknown>;
  /** Problems of an input; empty if it is valid. */
  readonly problems: (input: unknown) => readonly ErrorDetail[];
}

type AnyHandler = TableOperation['handle'];

const isRow = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'operation';

interface Fields {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly allOf?: readonly Fields[];
}

/**
 * Fields that an input schema declares. An open schema declares them in a member of its `allOf`.
 */
const declaredIn = ({ properties = {}, allOf = [] }: Fields): Readonly<Record<string, unknown>> =>
  allOf.reduce((found, part) => ({ ...found, ...declaredIn(part) }), properties);

const operationOf = (name: string, row: Row, handle: AnyHandler): TableOperation => {
  const checker = Compile(row.input);
  return {
    name,
    row,
    access: gateOf(row),
    declared: declaredIn(row.input),
    handle,
    problems: (input) =>
      checker.Check(input)
        ? []
        : checker
            .Errors(input)
            .slice(0, 16)
            .map(({ instancePath, keyword, message }) => ({ path: instancePath, rule: keyword, message })),
  };
};

const join = (implementation: Implementation): ReadonlyMap<string, TableOperation> => {
  const operations = new Map<string, TableOperation>();
  for (const [area, rows] of Object.entries(contract)) {
    if (typeof rows !== 'object' || rows === null) continue;
    for (const [verb, row] of Object.entries(rows as Readonly<Record<string, unknown>>)) {
      if (!isRow(row)) continue;
      const name = area === 'meshblu' ? verb : `${area}:${verb}`;
      const handle = (implementation as unknown as Readonly<Record<string, Readonly<Record<string, AnyHandler>>>>)[area]?.[verb];
      if (handle !== undefined) operations.set(name, operationOf(name, row, handle));
    }
  }
  return operations;
};

/** All operations by event name. Transports, documents and tests use this table. */
export const operations: ReadonlyMap<string, TableOperation> = join(handlers);

/** The operation with the access rule of one of its HTTP routes. */
export const byRoute = (operation: TableOperation, route: string): TableOperation => ({
  ...operation,
  access: gateOf(operation.row, route),
});
