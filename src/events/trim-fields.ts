import { MAX_REPORTED_CHARS } from '../messages/limits.ts';
import type { MessageNewEvent } from './event-schema.ts';

/**
 * Cuts the fields whose length a sender chooses down to what is read of them. Dovecot reports them
 * whole, and a search for a megabyte (src/messages/locate-messages.ts) is more than doveadm takes.
 */
export function trimFields(event: MessageNewEvent): MessageNewEvent {
  const long = FIELDS.filter((name) => (event[name]?.length ?? 0) > MAX_REPORTED_CHARS);
  if (long.length === 0) return event;
  return { ...event, ...Object.fromEntries(long.map((name) => [name, cut(event[name] ?? '')])) };
}

const FIELDS = ['message_id', 'from', 'subject'] as const;

/** Not within a surrogate pair. */
const cut = (text: string): string =>
  text.slice(0, MAX_REPORTED_CHARS).replace(/[\ud800-\udbff]$/, '');
