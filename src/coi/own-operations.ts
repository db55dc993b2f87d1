import { LRUCache } from 'lru-cache';

/**
 * What the sidecar itself does to mailboxes, so that the events which Dovecot then reports are not
 * taken for the user's will.
 */
export interface OwnOperations {
  /** Announces an operation; the matching event is ours if it comes soon. */
  expect(user: string, event: string, mailbox: string): void;
  /** Whether this event is one of ours; each announcement counts once. */
  claim(user: string, event: string, mailbox: string): boolean;
}

/** Longer than Dovecot needs to report; shorter than a person needs to change their mind. */
const EXPECTED_WITHIN_MSECS = 15_000;

export function createOwnOperations(): OwnOperations {
  const expected = new LRUCache<string, true>({ max: 100_000, ttl: EXPECTED_WITHIN_MSECS });
  const keyOf = (...parts: string[]): string => parts.join('\0');
  return {
    expect: (user, event, mailbox) => {
      expected.set(keyOf(user, event, mailbox), true);
    },
    claim: (user, event, mailbox) => expected.delete(keyOf(user, event, mailbox)),
  };
}
