import type { HttpForm } from '../../describe/form.ts';
import type { Operation } from '../../registry.ts';
import { accessControl } from './access-control.ts';
import { authToken } from './auth-token.ts';
import type { Dialect } from './dialect.ts';
import * as meshblu from './meshblu-http.ts';
import { ours } from './ours.ts';

const dialects = { accessControl, authToken } as const;

/** Whose wire a route speaks: its row's, else Meshblu's, else ours. */
export const dialectOf = ({ name, row }: Operation, route: string): Dialect => {
  if (row.dialect !== undefined) return dialects[row.dialect];
  return name.includes(':') && !(route in meshblu.routes) ? ours : meshblu;
};

/** How a route takes a call and answers it, in words of JSON Schema. */
export const formOf = (operation: Operation, route: string): HttpForm => dialectOf(operation, route).form(route, operation.row);
