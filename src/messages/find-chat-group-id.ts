import { MAX_GROUP_ID_OCTETS, MIN_GROUP_ID_CHARS } from './limits.ts';
import { firstMessageId } from './parse-message-ids.ts';

/** "chat$group.4321dcba1234.ABSKDJK23223.293892839@example.com" */
const GROUP_MESSAGE_ID = new RegExp(
  String.raw`^"?chat\$group\.([0-9A-Za-z_-]{${MIN_GROUP_ID_CHARS},})\..`,
);
/** What a COI client gives its messages, in a group or not. */
const CHAT_MESSAGE_ID = /^"?chat\$/;

/**
 * The id of the group that a message belongs to (coi-client-spec, "Group Messages"): "by parsing this
 * `Message-ID` or - in the case of replies from non-COI-compliant clients - the first message-ID in
 * the `References` header field". A COI client's Message-ID says it all: its reply to one member of a
 * group refers to the group's messages, and is no part of it. An id longer than a payload may carry
 * counts as none.
 */
export function findChatGroupId(messageId?: string, references?: string): string | undefined {
  const own = firstMessageId(messageId) ?? '';
  const id = groupIdOf(CHAT_MESSAGE_ID.test(own) ? own : firstMessageId(references));
  return id !== undefined && id.length <= MAX_GROUP_ID_OCTETS ? id : undefined;
}

const groupIdOf = (messageId: string | undefined): string | undefined =>
  messageId === undefined ? undefined : GROUP_MESSAGE_ID.exec(messageId)?.[1];
