import Type from 'typebox';
import { Uuid } from '../models.ts';
import { open, operation } from '../operation.ts';

const Addressees = Type.Union([Uuid, Type.Array(Uuid, { minItems: 1, maxItems: 1000 })]);

/**
 * Send a message to devices, or to everybody who listens (`'*'` in `devices`).
 *
 * Each addressee that lists the sender in `message.from` gets it as the event `message`, with `fromUuid` and all addressees; others are
 * skipped in silence. Being accepted says nothing about delivery. Further keys are passed on as they are. At most once: who is not
 * connected misses it. MS-2.16.
 */
export const message = operation({
  http: ['POST /messages', 'POST /broadcasts'],
  summary: 'Send a message to devices, or to everybody who listens.',
  access: { whitelist: 'message.from', each: 'devices' },
  mutates: true,
  passwordAlone: true,
  input: open({ devices: Addressees, topic: Type.Optional(Type.String({ maxLength: 1024 })) }),
  output: Type.Object({ id: Type.String() }),
  errors: ['too-large'],
});

/** Answer a message that asked for it (`ack`): the asker gets the event `messageAck`. MS-2.16. */
export const messageAck = operation({
  http: [],
  summary: 'Answer a message that asked for an answer.',
  access: { whitelist: 'message.from', each: 'devices' },
  mutates: true,
  passwordAlone: true,
  input: open({ devices: Addressees }),
  output: Type.Object({ id: Type.String() }),
  errors: ['too-large'],
});

/**
 * Store a record of a device and broadcast it: `timestamp` is now if it is missing.
 *
 * The caller must be allowed to send to that device. MS-2.19.
 */
export const data = operation({
  http: ['POST /data/:uuid'],
  summary: 'Store a record of a device and broadcast it.',
  access: { whitelist: 'message.from', target: 'uuid' },
  credentials: true,
  mutates: true,
  passwordAlone: true,
  input: open({ uuid: Uuid }),
  output: Type.Object({}),
  errors: ['too-large'],
});

/** The newest records of a device that `data` stored: 10 without `limit`, at most 1000. MS-2.19. */
export const getdata = operation({
  http: ['GET /data/:uuid'],
  summary: 'The newest records of a device.',
  access: { self: true },
  credentials: true,
  mutates: false,
  input: open({
    start: Type.Optional(Type.String()),
    finish: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Unknown()),
  }),
  output: Type.Object({ data: Type.Array(Type.Record(Type.String(), Type.Unknown())), fromUuid: Uuid }),
  errors: [],
});

/** The last 10 entries of an old database's log about the own device. MS-2.19. */
export const events = operation({
  http: ['GET /events/:uuid'],
  summary: 'The last entries of the event log about the own device.',
  access: { self: true },
  credentials: true,
  mutates: false,
  input: open({}),
  output: Type.Object({ events: Type.Array(Type.Record(Type.String(), Type.Unknown())) }),
  errors: ['not-found'],
});
