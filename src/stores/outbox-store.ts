/**
 * The pushes that are owed, on disk. The delivery engine keeps its schedule in memory and this store
 * keeps it true: a push is in here from before `/v1/events` answered until it is settled.
 */
export interface OutboxStore {
  /**
   * Adds pushes; durable when it resolves. A push whose `dedupeKey` is already owed, or was settled
   * within the last {@link OutboxStoreOptions.rememberMsecs}, is left out.
   *
   * @returns the pushes that were added, with their ids, in the order given
   * @throws UnavailableError the disk is full or the file is locked; nothing was added
   */
  add(pushes: readonly NewPush[]): Promise<OwedPush[]>;

  /**
   * Takes pushes out: delivered, expired, or without a subscription. At once, without waiting for the
   * disk: a power failure may lose the last ones, whose pushes are then sent twice.
   */
  settle(ids: readonly number[]): Promise<void>;

  /** Notes a failed attempt, so that a restart goes on where this process stood. */
  postpone(id: number, attempt: Postponement): Promise<void>;

  /** A page of owed pushes with ids above `afterId`, in the order of their ids. */
  page(afterId: number, limit: number): Promise<OwedPush[]>;

  /**
   * Takes out all pushes of a user, and remembers nothing of them;
   * durable when it resolves, and off the disk as far as {@link Store.scrub} is.
   *
   * @returns the ids of the pushes
   */
  forgetUser(user: string): Promise<number[]>;

  check(): Promise<void>;
  close(): Promise<void>;
}

export const PUSH_KINDS = ['message', 'validation', 'test'] as const;
export type PushKind = (typeof PUSH_KINDS)[number];

/** RFC 8030 section 5.3. */
export type Urgency = 'very-low' | 'low' | 'normal' | 'high';

export interface NewPush {
  user: string;
  subscriptionId: string;
  /** Tells a replaced subscription from the one that the push was made for. */
  endpoint: string;
  kind: PushKind;
  /** Plaintext JSON; encrypted anew for each attempt. */
  payload: string;
  urgency: Urgency;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Milliseconds since the epoch; past it the push is worthless. The TTL header is what is left. */
  expiresAt: number;
  /** Same message, same subscription: same key. */
  dedupeKey: string;
}

export interface OwedPush extends NewPush {
  id: number;
  attempts: number;
  /** How many of the attempts were written as a whole and got no answer: perhaps it was delivered. */
  unanswered: number;
  /** Milliseconds since the epoch; zero for at once. */
  nextAttemptAt: number;
}

export interface Postponement {
  attempts: number;
  unanswered: number;
  nextAttemptAt: number;
}

export interface OutboxStoreOptions {
  /** How long a settled push's dedupe key is remembered, in milliseconds. */
  rememberMsecs: number;
}
