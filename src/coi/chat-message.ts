import type { HeaderBlock } from '../messages/parse-header-block.ts';
import { firstMessageId } from '../messages/parse-message-ids.ts';

/**
 * Whether a message is a COI message: it has a `Chat-Version` field, or its Message-ID, or the first
 * message-ID of its References, starts with `chat$` (coi-server-spec, "Configure Message
 * Filtering"). Field names are read in any case, `chat$` only in lower case.
 */
export const isChatMessage = (headers: HeaderBlock): boolean =>
  headers.has('chat-version') ||
  isChatId(firstMessageId(headers.first('message-id'))) ||
  isChatId(firstMessageId(headers.first('references')));

/** `chat$1@example.org`; `"chat$1"@example.org` is the same id, written with needless quotes. */
const isChatId = (id: string | undefined): boolean =>
  id !== undefined && (id.startsWith('chat$') || id.startsWith('"chat$'));
