import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { isFromBlocked } from './blocked-contact.ts';
import type { ReadBlockedHashes } from './read-blocked-hashes.ts';

/** Whom users do not want to hear from (coi-client-spec, "Blocking Contacts"). */
export interface BlockedContacts {
  /**
   * Whether a message with these From fields is to be kept away from the user. Never rejects: what
   * cannot be known in `waitMsecs` counts as not blocked.
   */
  isBlocked(user: string, from: readonly string[], waitMsecs: number): Promise<boolean>;
  /**
   * Whether it is worth asking for a message that nobody waits for. It is not for a user who was found to
   * block nobody, until they are forgotten: then too they are read again when their time is over, but
   * the message is not held back for that.
   */
  mayBlock(user: string): boolean;
  /** The user's contacts have changed, or may have. */
  forget(user: string): void;
}

export interface BlockedContactsParts {
  read: ReadBlockedHashes;
  /**
   * Milliseconds for which contacts are taken to be what they were. Changes that Dovecot reports
   * count at once; those of doveadm, of dsync, or on another host only then.
   */
  lifetime: number;
  clock: Pick<Clock, 'monotonic'>;
  log: Logger;
  onLookup?: (result: 'hit' | 'miss') => void;
}

/** What is known of one user; without `hashes` only that they could not be read a moment ago. */
interface Known {
  hashes: ReadonlySet<string> | undefined;
  readAt: number;
}

/** Users of COI with recent messages; most of them block nobody. */
const MOST_USERS = 50_000;
/** A Dovecot that hangs is not asked, and waited for, with every message. */
const RETRY_MSECS = 10_000;

/**
 * Contacts are read when a message comes, one request at a time for a user; for a user who gets many,
 * before the time is over, so that only the first message waits.
 */
export function createBlockedContacts(parts: BlockedContactsParts): BlockedContacts {
  const { clock, lifetime, log } = parts;
  const known = new LRUCache<string, Known>({ max: MOST_USERS });
  const reading = new Map<string, Promise<Known>>();

  function read(user: string): Promise<Known> {
    const earlier = reading.get(user);
    if (earlier !== undefined) return earlier;
    const readAt = clock.monotonic();
    const result = parts
      .read(user)
      .then(
        (hashes): Known => ({ hashes, readAt }),
        (error: unknown): Known => {
          log.warn({ user, reason: errorMessage(error) }, 'cannot read who is blocked');
          return { hashes: undefined, readAt: clock.monotonic() };
        },
      )
      .then((outcome) => {
        // Else the contacts have changed while they were read.
        if (reading.get(user) === result) {
          reading.delete(user);
          known.set(user, outcome);
        }
        return outcome;
      });
    reading.set(user, result);
    return result;
  }

  function lookUp(user: string): Known | Promise<Known> {
    const entry = known.get(user);
    const age = clock.monotonic() - (entry?.readAt ?? -Infinity);
    const fresh = age < (entry?.hashes === undefined ? RETRY_MSECS : lifetime);
    parts.onLookup?.(fresh ? 'hit' : 'miss');
    if (entry === undefined || !fresh) return read(user);
    if (entry.hashes !== undefined && age > lifetime / 2) void read(user);
    return entry;
  }

  return {
    isBlocked: async (user, from, waitMsecs) => {
      const { hashes } = (await within(waitMsecs, lookUp(user))) ?? {};
      return hashes !== undefined && isFromBlocked(from, hashes);
    },
    mayBlock: (user) => {
      const entry = known.get(user);
      if (entry?.hashes?.size !== 0) return true;
      if (clock.monotonic() - entry.readAt >= lifetime) void read(user);
      return false;
    },
    forget: (user) => {
      reading.delete(user);
      known.delete(user);
    },
  };
}

async function within<T>(msecs: number, value: T | Promise<T>): Promise<T | undefined> {
  if (!(value instanceof Promise)) return value;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), msecs);
  });
  return Promise.race([value, late]).finally(() => clearTimeout(timer));
}
