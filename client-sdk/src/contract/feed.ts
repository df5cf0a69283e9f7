import Type from 'typebox';
import { listeningTypes } from './listening.ts';
import { Token, Uuid } from './models.ts';
import { operation } from './operation.ts';
import { ResyncReason } from './resync.ts';

const Topics = Type.Union([Type.String({ maxLength: 256 }), Type.Array(Type.String({ maxLength: 256 }), { maxItems: 100 })]);

/** One subscription as a client remembers it: exactly these types, nothing is added to them. */
const Remembered = Type.Object(
  {
    uuid: Uuid,
    types: Type.Array(Type.Enum([...listeningTypes]), { minItems: 1, maxItems: 6 }),
    topics: Type.Optional(Topics),
    token: Type.Optional(Token),
  },
  { additionalProperties: false },
);

/**
 * Listen again to what this client listened to before a drop: up to 200 subscriptions in one call, each decided as by `subscribe`.
 *
 * The answer names those of which nothing is permitted any more, by their index.
 */
export const restore = operation({
  http: [],
  summary: 'Listen again to what was listened to before a drop.',
  access: { self: true },
  mutates: false,
  input: Type.Object({ subscriptions: Type.Array(Remembered, { maxItems: 200 }) }, { additionalProperties: false }),
  output: Type.Object({ refused: Type.Array(Type.Integer({ minimum: 0 })) }),
  errors: ['busy'],
});

/**
 * Be brought up to date: the events after `cursor` are sent again in the order of the feed, those that are still permitted, and everything
 * newer follows. Answered when that is done; `cursor` is the position then.
 *
 * If that is not possible the event `resync` with the reason and a `config` with the own document as it is now come instead of them. Only for
 * clients that said `resume` in their handshake; see docs/resume.md.
 */
export const resume = operation({
  http: [],
  summary: 'Be brought up to date after a drop.',
  access: { self: true },
  mutates: false,
  input: Type.Object({ cursor: Type.String({ maxLength: 256 }) }, { additionalProperties: false }),
  output: Type.Object({ cursor: Type.String(), replayed: Type.Integer({ minimum: 0 }), resync: Type.Optional(ResyncReason) }),
  errors: [],
});
