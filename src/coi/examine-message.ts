import { parseHeaderBlock } from '../messages/parse-header-block.ts';
import { firstMessageId } from '../messages/parse-message-ids.ts';
import { isChatMessage } from './chat-message.ts';

/** What classification has to know of a message. */
export interface ExaminedMessage {
  isChat: boolean;
  messageId: string | undefined;
  /** The values of all From fields. */
  from: readonly string[];
}

export function examineMessage(message: Buffer): ExaminedMessage {
  const headers = parseHeaderBlock(message);
  return {
    isChat: isChatMessage(headers),
    messageId: firstMessageId(headers.first('message-id')),
    from: headers.senders(),
  };
}
