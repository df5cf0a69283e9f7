import type { Failure, RegistryError } from '@rollcall/client/contract';
import type { HttpForm } from '../../operations/describe/form.ts';
import type { TableOperation } from '../../operations/operation-table.ts';
import { accessControl } from './access-control.ts';
import { authToken } from './auth-token.ts';
import type { Dialect } from './dialect.ts';
import * as meshblu from './meshblu-http.ts';
import { mqttClientDialect } from './mqtt-clients.ts';
import { mqttTokenDialect } from './mqtt-tokens.ts';
import { ours } from './ours.ts';
import { checkQuery, type CheckQuery } from './query.ts';

const dialects = { accessControl, authToken, mqttTokens: mqttTokenDialect, mqttClients: mqttClientDialect(true) } as const;
const plainClients = mqttClientDialect(false);

/** Whose wire a route speaks: its row's, else Meshblu's, else ours. `redirects`: see the client records' wire. */
export const dialectOf = ({ name, row }: TableOperation, route: string, redirects = true): Dialect => {
  if (row.dialect === 'mqttClients' && !redirects) return plainClients;
  if (row.dialect !== undefined) return dialects[row.dialect];
  return name.includes(':') && !(route in meshblu.routes) ? ours : meshblu;
};

/**
 * A failure as an acknowledgement: our error code, and the status that the call has over HTTP
 * (ME-3).
 */
export const acknowledged = (operation: TableOperation | undefined, error: RegistryError): Failure => {
  const failure = error.toFailure();
  const [route] = operation?.row.http ?? [];
  if (operation?.row.dialect === undefined || route === undefined) return failure;
  const { status } = dialectOf(operation, route).fail(route, error);
  return status < 400 ? failure : { ...failure, status };
};

const unchecked: CheckQuery = () => undefined;

/** The check of a route's query. Meshblu's reads take any name, as they always have: those that search take it as a condition. */
export const queryCheckOf = (operation: TableOperation, route: string): CheckQuery => {
  const dialect = dialectOf(operation, route);
  if (dialect === meshblu && !operation.row.mutates) return unchecked;
  return checkQuery(dialect.form(route, operation.row), operation.row, dialect.ignoredInQuery);
};

/** How a route takes a call and answers it, in words of JSON Schema. */
export const formOf = (operation: TableOperation, route: string): HttpForm =>
  dialectOf(operation, route).form(route, operation.row);
