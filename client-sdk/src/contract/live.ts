import Type from 'typebox';
import { Device } from './models.ts';
import { operation } from './operation.ts';

const Id = Type.String({ minLength: 1, maxLength: 64 });
const Result = Type.Object({ id: Id, seq: Type.Integer(), rows: Type.Array(Device) });

/**
 * Follow the devices that match a filter, of those the caller may see: the answer is the first result, `live:changed` tells every change
 * of it, until the connection ends.
 *
 * `filter` as in `devices`. `sort`: paths with 1 or -1, at most eight; by default the newest first, then by uuid. `limit`: 1 to 1000, and
 * 1000 by default. At most 128 for one connection, then `busy`. Equal queries of one connection have the same `id`, and are closed one
 * by one. Without a connection that events can be sent to it is refused; over HTTP there is `GET /live`.
 */
export const open = operation({
  http: [],
  summary: 'Follow the devices that match a filter.',
  access: { self: true },
  mutates: false,
  input: Type.Object(
    {
      filter: Type.Record(Type.String(), Type.Unknown()),
      sort: Type.Optional(Type.Record(Type.String(), Type.Union([Type.Literal(1), Type.Literal(-1)]))),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    { additionalProperties: false },
  ),
  output: Result,
  errors: ['busy'],
});

/** The present result of a live query of this connection, for whoever has missed a step. */
export const read = operation({
  http: [],
  summary: 'The present result of a live query.',
  access: { self: true },
  mutates: false,
  input: Type.Object({ id: Id }, { additionalProperties: false }),
  output: Result,
  errors: ['not-found'],
});

/** Stop following. What is not open is a success. */
export const close = operation({
  http: [],
  summary: 'Stop following a live query.',
  access: { self: true },
  mutates: false,
  input: Type.Object({ id: Id }, { additionalProperties: false }),
  output: Type.Object({ id: Id }),
  errors: [],
});
