import { Type, type Static, type TSchema } from '@fastify/type-provider-typebox';
import { UserName } from '../../../events/event-schema.ts';

/** Names may hold anything; in a path they are percent-encoded. */
export const UserParams = Type.Object({ user: UserName });

export const SubscriptionParams = Type.Object({
  ...UserParams.properties,
  id: Type.String({ minLength: 1, maxLength: 128, description: "The subscription's ID" }),
});

export const Time = Type.String({ format: 'date-time' });

/** Registered with the routes, so that the description says it once. */
export const ErrorSchema = Type.Object(
  { error: Type.String({ description: 'A stable code' }), message: Type.String() },
  { $id: 'Error', description: 'What is wrong, and what to do' },
);

export const ErrorReply = Type.Unsafe<Static<typeof ErrorSchema>>({ $ref: 'Error#' });

/** The errors that every call can end in. */
export const withErrors = <Replies extends Record<number, unknown>>(replies: Replies) => ({
  ...replies,
  400: ErrorReply,
  401: ErrorReply,
  404: ErrorReply,
  502: ErrorReply,
  503: ErrorReply,
});

export const Nothing = Type.Null({ description: 'Done' });

/** What a call with this body's schema takes, whatever octets they are. */
export const octets = (description: string) => ({
  content: {
    'application/octet-stream': {
      schema: Type.Unsafe<Buffer>({ description }) as TSchema,
    },
  },
});

const Outcome = Type.Object({
  successes: Type.Integer(),
  failures: Type.Integer(),
  failuresInARow: Type.Integer({ description: 'Failures since the last success' }),
  lastOutcome: Type.Optional(Type.String()),
  lastStatus: Type.Optional(Type.Integer({ description: 'HTTP status; absent without an answer' })),
  lastAt: Type.Optional(Time),
});

/** Neither the endpoint nor the keys: who has those can push. */
export const SubscriptionView = Type.Object({
  id: Type.String(),
  state: Type.Union([Type.Literal('validated'), Type.Literal('pending')]),
  msgtype: Type.String(),
  client: Type.Optional(Type.String()),
  device: Type.Optional(Type.String()),
  created: Type.String(),
  expires: Type.Optional(Time),
  origin: Type.String({ description: "The push service: the endpoint's origin" }),
  deliveries: Outcome,
});

export const ThrottleView = Type.Object({
  refusals: Type.Integer(),
  state: Type.Union([Type.Literal('paused'), Type.Literal('locked')]),
  until: Time,
});

export const VapidView = Type.Object({
  curve: Type.String(),
  publicKey: Type.String({ description: 'PEM' }),
});

const Settings = {
  user: Type.String(),
  enabled: Type.Boolean({ description: 'COI is enabled' }),
  messageFilter: Type.String(),
};

export const UserSummaryView = Type.Object({
  ...Settings,
  subscriptions: Type.Integer({ description: 'Those in use' }),
  pending: Type.Integer({ description: 'Those that wait for their validation' }),
  throttled: Type.Optional(ThrottleView),
});

export const UserView = Type.Object({
  ...Settings,
  subscriptions: Type.Array(SubscriptionView),
  vapid: Type.Optional(VapidView),
  throttled: Type.Optional(ThrottleView),
  annotations: Type.Object(
    { entries: Type.Integer(), octets: Type.Integer() },
    {
      description:
        'What passes through: comments, keys of other plugins; octets of names and values',
    },
  ),
});

export const TestView = Type.Object({
  id: Type.String(),
  state: SubscriptionView.properties.state,
  origin: Type.String(),
  verdict: Type.String({ description: 'accepted, refused, or deferred: it goes on for a minute' }),
  reason: Type.String(),
  status: Type.Optional(Type.Integer()),
  pausedUntil: Type.Optional(
    Type.String({
      description: 'Before that, nothing goes to this push resource: it asked for it',
    }),
  ),
});

export const ForgottenView = Type.Object({
  user: Type.String(),
  subscriptions: Type.Integer(),
  vapidKeys: Type.Integer(),
  annotations: Type.Integer({ description: 'Settings, comments, keys of other plugins' }),
  pushes: Type.Integer({ description: 'That were owed' }),
  spooledEvents: Type.Integer({ description: 'Events that waited, or were set aside' }),
  rawlogs: Type.Integer({ description: 'Files' }),
  note: Type.Optional(Type.String({ description: 'What is kept elsewhere' })),
});

export const PushView = Type.Object({
  id: Type.Integer(),
  user: Type.String(),
  subscription: Type.String(),
  kind: Type.String(),
  origin: Type.String(),
  urgency: Type.String(),
  created: Time,
  expires: Time,
  attempts: Type.Integer(),
  nextAttempt: Type.Optional({ ...Time, description: 'Not there: now' }),
  octets: Type.Integer({ description: 'Of the payload' }),
});

const Tally = Type.Object({
  added: Type.Integer(),
  changed: Type.Integer(),
  unchanged: Type.Integer(),
  kept: Type.Integer({ description: 'Here is another value, and it stays' }),
});

export const ImportView = Type.Object({
  user: Type.String(),
  dryRun: Type.Boolean(),
  annotations: Tally,
  settings: Tally,
  subscriptions: Tally,
  vapid: Type.String({ description: 'none, added, changed, unchanged or kept' }),
  skipped: Type.Integer(),
  skippedEntries: Type.Array(Type.Object({ key: Type.String(), reason: Type.String() })),
  warnings: Type.Array(Type.String()),
});
