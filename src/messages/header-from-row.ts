import type { DoveadmRow } from '../dovecot/doveadm-client.ts';

/** What a push is made of, and what tells a disposition notification. */
const FIELDS = [
  ...['From', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'],
  ...['Auto-Submitted', 'Chat-Version'],
] as const;

/** The same in the words of doveadm-fetch(1). */
export const HEADER_FIELDS = FIELDS.map((name) => `hdr.${name.toLowerCase()}`);

/**
 * A header with these fields, up to the empty line that would end it. The values of fields of one name stand one a line, folded
 * as they are stored: what does not begin with white space is the next (doveadm-mail-fetch.c).
 */
export const headerFromRow = (row: DoveadmRow): string =>
  FIELDS.flatMap((name) => {
    const value = row[`hdr.${name.toLowerCase()}`] ?? '';
    return value === '' ? [] : value.split(/\r?\n(?![ \t])/).map((one) => `${name}: ${one}\n`);
  }).join('');
