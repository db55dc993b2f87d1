import { MAX_FROM_OCTETS, MAX_REPORTED_CHARS } from '../messages/limits.ts';
import { type DovecotEvent, isChatKeyword } from './event-schema.ts';

/** Keywords of one message that are read. Only `$Chat` means anything here; it is never cut off. */
export const MAX_KEYWORDS = 1_000;

/**
 * Cuts what senders and clients choose the length of down to what is read of it. Dovecot reports it
 * whole, and a search for a megabyte (src/messages/locate-messages.ts) is more than doveadm takes.
 */
export function trimEvent<Event extends DovecotEvent>(event: Event): Event {
  const fields: Partial<Record<(typeof FIELDS)[number], string>> =
    event.event === 'MessageNew' ? event : {};
  const long = FIELDS.filter((name) => (fields[name]?.length ?? 0) > MOST_CHARS[name]);
  // Of other events it is a property that nobody knows, and may be anything.
  const hasKeywords = event.event === 'MessageNew' || event.event === 'FlagsClear';
  const keywords = hasKeywords ? (event.keywords ?? []) : [];
  if (long.length === 0 && keywords.length <= MAX_KEYWORDS) return event;
  return {
    ...event,
    ...Object.fromEntries(long.map((name) => [name, cut(fields[name] ?? '', MOST_CHARS[name])])),
    ...(keywords.length > MAX_KEYWORDS && { keywords: cutList(keywords) }),
  };
}

const FIELDS = ['message_id', 'from', 'subject'] as const;
/** Of From one more than is read, so that it shows that this is not all. */
const MOST_CHARS = {
  message_id: MAX_REPORTED_CHARS,
  from: MAX_FROM_OCTETS + 1,
  subject: MAX_REPORTED_CHARS,
};

/** Not within a surrogate pair. */
const cut = (text: string, most: number): string =>
  text.slice(0, most).replace(/[\ud800-\udbff]$/, '');

function cutList(keywords: readonly string[]): string[] {
  const chat = keywords.filter(isChatKeyword).slice(0, 1);
  return [...chat, ...keywords.slice(0, MAX_KEYWORDS - chat.length)];
}
