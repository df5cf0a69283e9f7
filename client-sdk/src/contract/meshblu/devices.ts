import Type from 'typebox';
import { Device, Token, Uuid } from '../models.ts';
import { open, operation } from '../operation.ts';

const named = open({ uuid: Uuid });
const Devices = Type.Object({ devices: Type.Array(Device) });

/**
 * Register a new device with the given properties. Needs no identity while open registration is on.
 *
 * The answer is the stored document with its `token`: the only time it is shown. `uuid` and `token` in the input are ignored.
 * MS-2.3.
 */
export const register = operation({
  http: ['POST /devices'],
  summary: 'Register a new device.',
  access: { public: true },
  mutates: true,
  credential: 'grants',
  input: open({}),
  output: Type.Intersect([Device, Type.Object({ token: Token })]),
  errors: ['too-large'],
});

/** The caller's own document. MS-2.4. */
export const whoami = operation({
  http: ['GET /v2/whoami'],
  summary: "The caller's own document.",
  access: { self: true },
  mutates: false,
  input: Type.Object({}),
  output: Device,
  errors: [],
});

/** One device by uuid, if it lets the caller see it. Missing and not permitted are both `forbidden`. MS-2.7. */
export const device = operation({
  http: ['GET /v3/devices/:uuid', 'GET /v2/devices/:uuid', 'GET /devices/:uuid'],
  summary: 'One device by uuid.',
  access: { whitelist: 'discover.view', target: 'uuid' },
  credentials: true,
  mutates: false,
  input: open({ uuid: Uuid }),
  output: Type.Object({ device: Device }),
  errors: [],
});

/**
 * Devices that match a query, of those the caller may see: newest first, at most 1000.
 *
 * The query is a MongoDB filter of the operators `$eq $ne $gt $gte $lt $lte $in $nin $exists $all $elemMatch $size $not $and $or $nor`.
 * `online` may be boolean or text; `''` and `'null'` mean that the property does not exist. MS-2.8.
 */
export const devices = operation({
  http: ['POST /search/devices', 'GET /v2/devices', 'GET /devices'],
  summary: 'Devices that match a query.',
  access: { whitelist: 'discover.view', search: true },
  credentials: true,
  mutates: false,
  input: open({}),
  output: Devices,
  errors: [],
});

/** As `devices`, of those that the caller owns. MS-2.9. */
export const mydevices = operation({
  http: ['GET /mydevices'],
  summary: 'Devices that the caller owns.',
  access: { whitelist: 'discover.view', search: true },
  credentials: true,
  mutates: false,
  input: open({}),
  output: Devices,
  errors: [],
});

/** Always empty: devices are no longer told apart by network. MS-2.12. */
export const localdevices = operation({
  http: [],
  summary: 'Devices on the same network: none, as networks are no longer told apart.',
  access: { self: true },
  mutates: false,
  input: open({}),
  output: Devices,
  errors: [],
});

/** Always empty, as `localdevices`. MS-2.12. */
export const unclaimeddevices = operation({
  http: [],
  summary: 'Devices on the same network without an owner: none.',
  access: { self: true },
  mutates: false,
  input: open({}),
  output: Devices,
  errors: [],
});

/**
 * Set properties of a device; without `uuid` of the caller itself.
 *
 * Each key replaces the old value whole; a key with dots (`'a.b'`) addresses inside. `token` and the server's own properties are
 * never written. The same values again are a success without effect. MS-2.5.
 */
export const update = operation({
  http: ['PATCH /v2/devices/:uuid', 'PUT /devices/:uuid'],
  summary: 'Set properties of a device.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  credentials: true,
  checksRevision: true,
  mutates: true,
  passwordAlone: true,
  input: open({ uuid: Type.Optional(Uuid) }),
  output: Type.Object({ uuid: Uuid, status: Type.Literal(200) }),
  errors: ['conflict', 'too-large'],
});

/**
 * Make the caller the owner of a device that lets them configure it. MS-2.11.
 *
 * A group is taken over by a caller who may write `/groups/<name>`: its lists then name the caller alone, and its tokens end.
 */
export const claimdevice = operation({
  http: ['POST /claimdevice/:uuid'],
  summary: 'Become the owner of a device.',
  access: { whitelist: 'configure.update', target: 'uuid', ofGroup: 'name' },
  checksRevision: true,
  mutates: true,
  input: named,
  output: Type.Object({ uuid: Uuid, status: Type.Literal(200) }),
  errors: ['too-large'],
});

/**
 * Remove a device, its tokens and its subscriptions; its connections are told and closed. Meshblu reference, section 2.10.
 *
 * A user, a group and what logs in over MQTT need the permission to write `/api/users/<uuid>` too. A group that has members, MQTT tokens or
 * devices is `conflict`, unless `cascade` says that all of them go with it. DM-9.
 */
export const unregister = operation({
  http: ['DELETE /devices/:uuid'],
  summary: 'Remove a device.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  credentials: true,
  audit: true,
  checksRevision: true,
  mutates: true,
  input: open({ uuid: Uuid, cascade: Type.Optional(Type.Boolean()) }),
  output: Type.Object({ uuid: Uuid }),
  errors: ['conflict'],
});
