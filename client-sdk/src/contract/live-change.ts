import Type from 'typebox';
import { Device } from './models.ts';

const Index = Type.Integer({ minimum: 0 });

/** One step from a live query's result to the next; the steps of an event are taken one after the other. */
export const LiveStep = Type.Union([
  Type.Object({ type: Type.Literal('enter'), index: Index, device: Device }),
  Type.Object({ type: Type.Literal('change'), index: Index, previousIndex: Index, device: Device }),
  Type.Object({ type: Type.Literal('leave'), previousIndex: Index }),
]);

/**
 * What has become of the result of a live query. `seq` is one more than that of the event, or the first result, before it; after a hole the
 * result has to be read anew.
 *
 * `resync`: the steps up to here are not known; the result is `rows`, or has to be read by `live:read` if it is too large for an event.
 */
export const LiveChange = Type.Union([
  Type.Object({ id: Type.String(), seq: Type.Integer(), steps: Type.Array(LiveStep) }),
  Type.Object({
    id: Type.String(),
    seq: Type.Integer(),
    resync: Type.Literal(true),
    rows: Type.Optional(Type.Array(Device)),
  }),
]);
