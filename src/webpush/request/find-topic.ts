import { createHash } from 'node:crypto';
import { hasOnlyIds } from '../payload/shrink-payload.ts';

/** 32 characters of base64url: the most that RFC 8030 section 5.4 allows, and a length Apple takes. */
const TOPIC_OCTETS = 24;

/**
 * The topic of a push that says no more than where a message is: the push service may replace it, while
 * nobody has fetched it, by a later one about the same mailbox. A push with anything else to say has
 * none, since each tells of its own message.
 *
 * @param secret known to the subscription's two ends only; without it the push service learns nothing
 *   of the mailbox but that it is the same
 */
export function findTopic(payload: string, secret: string): string | undefined {
  if (!hasOnlyIds(payload)) return undefined;
  const { folder, uidvalidity } = JSON.parse(payload) as { folder?: string; uidvalidity: number };
  return topicOf([secret, uidvalidity, folder]);
}

/**
 * The topic of a push that goes out again though the push service may have it: the same each time, so
 * that while nobody has fetched it, there is one of them.
 */
export const topicOfRepeats = (
  { id, createdAt }: { id: number; createdAt: number },
  secret: string,
): string => topicOf([secret, 'repeat', id, createdAt]);

const topicOf = (parts: readonly unknown[]): string =>
  createHash('sha256')
    .update(JSON.stringify(parts))
    .digest()
    .toString('base64url', 0, TOPIC_OCTETS);
