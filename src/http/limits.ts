/** What one request may bring along, in octets. */
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
  /** A user's name as it stands in a path, percent-encoded: 1,024 octets at three characters each. */
  pathParameter: 3 * 1_024,
} as const;
