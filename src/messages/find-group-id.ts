import { MAX_GROUP_ID_OCTETS, MIN_GROUP_ID_CHARS } from './limits.ts';
import { firstMessageId } from './parse-message-ids.ts';

/** "chat$group.4321dcba1234.ABSKDJK23223.293892839@example.com" */
const GROUP_MESSAGE_ID = new RegExp(
  String.raw`^"?chat\$group\.([0-9A-Za-z_-]{${MIN_GROUP_ID_CHARS},})\..`,
);

/**
 * The id of the group that a message belongs to (coi-client-spec, "Group Messages"): from the value
 * of its Message-ID, or, as in replies from clients that know nothing of COI, from the first
 * message-ID in that of its References. An id longer than a payload may carry counts as none.
 */
export function findGroupId(messageId?: string, references?: string): string | undefined {
  const id = groupIdOf(firstMessageId(messageId)) ?? groupIdOf(firstMessageId(references));
  return id !== undefined && id.length <= MAX_GROUP_ID_OCTETS ? id : undefined;
}

const groupIdOf = (messageId: string | undefined): string | undefined =>
  messageId === undefined ? undefined : GROUP_MESSAGE_ID.exec(messageId)?.[1];
