import { splitTabEscaped, tabEscape } from './tab-escaping.ts';

/**
 * The protocol that doveadm speaks to a doveadm server (src/doveadm/client-connection-tcp.c). Major
 * version 1 is that of Dovecot 2.2 and all later ones; minor version 0 asks for answers as they are,
 * not interwoven with log lines.
 */
export const GREETING = 'VERSION\tdoveadm-server\t1\t0\n';

/** `\talice\tfetch\t-u\talice\tuid text\tmailbox\tINBOX\n`: flags (none), user, command, arguments. */
export function formatCommand(user: string, words: readonly string[]): Buffer {
  const fields = ['', user, ...words].map((field) => tabEscape(Buffer.from(field)));
  return Buffer.concat([...fields.flatMap((field) => [TAB, field]).slice(1), LINE_FEED]);
}

export interface DoveadmReply {
  /** What the command printed, value by value; rows follow each other without a mark. */
  values: Buffer[];
  /** `NOUSER`, `NOTFOUND`, `TEMPFAIL` …; undefined for success. */
  failure: string | undefined;
}

/**
 * Reads the reply to one command; undefined as long as more octets must come. Each value is followed
 * by a tab, and a line feed by what became of the command:
 *
 * `7\tSubject: x\x01n\x01nHello\t\n+\n`, or `\n-NOTFOUND\n`
 */
export function parseReply(octets: Buffer): DoveadmReply | undefined {
  const end = octets.indexOf(LF);
  const outcomeEnd = end === -1 ? -1 : octets.indexOf(LF, end + 1);
  if (outcomeEnd === -1) return undefined;
  const outcome = octets.toString('utf8', end + 1, outcomeEnd);
  return {
    values: splitTabEscaped(octets.subarray(0, end)).slice(0, -1),
    failure: outcome === '+' ? undefined : outcome.replace(/^-/, '') || 'UNKNOWN',
  };
}

const LF = 0x0a;
const TAB = Buffer.from('\t');
const LINE_FEED = Buffer.from('\n');
