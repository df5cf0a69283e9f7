import Type from 'typebox';
import { Device, Uuid } from './models.ts';
import { operation } from './operation.ts';

/**
 * Change a device document with MongoDB's update operators; the answer is the document after the change.
 *
 * Operators: `$set $unset $inc $mul $min $max $currentDate $addToSet $pop $pull $pullAll $push $bit` (`$mult` means `$mul`, `$pushAll` means
 * `$push` with `$each`). It may not name `uuid`, `token` or the server's own properties. MS-2.5.
 */
export const update = operation({
  http: ['PUT /v2/devices/:uuid/find-and-update', 'PUT /v2/devices/:uuid'],
  summary: "Change a device document with MongoDB's update operators.",
  access: { whitelist: 'configure.update', target: 'uuid' },
  checksRevision: true,
  mutates: true,
  passwordAlone: true,
  input: Type.Object({ uuid: Uuid, update: Type.Record(Type.String(), Type.Unknown()) }),
  output: Type.Object({ document: Device }),
  errors: ['conflict', 'too-large'],
});
