/** What one request may bring along, in octets unless it says otherwise, and what all may together. */
export const LIMITS = {
  /** A transaction that marks 100,000 messages as seen is about 8 MiB. A longer one goes to the spool. */
  events: 16 * 1_024 * 1_024,
  /** One message that the ox driver tells of. Its sender chooses how long, and there is no spool. */
  oxEvent: 16 * 1_024 * 1_024,
  /** Larger messages than mail servers take; past it Sieve falls back to its own header tests. */
  message: 128 * 1_024 * 1_024,
  /** One exported Dovecot event. */
  notice: 256 * 1_024,
  /** The admin calls send small documents, if any. */
  admin: 64 * 1_024,
  /** All annotations of one user; with keys of mail-crypt about 2 KiB a mailbox. */
  annotations: 128 * 1_024 * 1_024,
  /** How long a body may take, in milliseconds; the annotations of one user, over a slow line. */
  bodyMsecs: 60_000,
  /** A delivery waits for it. */
  messageMsecs: 5_000,
  /** How long the head of a request may take, in milliseconds. */
  headersMsecs: 10_000,
  /** Connections at a time: as many as Dovecot's processes, and some more. */
  connections: 8_192,
  /** For so long the answers of /readyz and /metrics stay the same, in milliseconds. */
  snapshotMsecs: 1_000,
  /** A user's name as it stands in a path, percent-encoded: 1,024 octets at three characters each. */
  pathParameter: 3 * 1_024,
} as const;
