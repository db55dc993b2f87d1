/** What one request may bring along, in octets. */
export const LIMITS = {
  /** A transaction that marks 100,000 messages as seen is about 8 MiB. */
  events: 16 * 1_024 * 1_024,
  /** Larger messages than mail servers take; past it Sieve falls back to its own header tests. */
  message: 128 * 1_024 * 1_024,
  /** One exported Dovecot event. */
  notice: 256 * 1_024,
  /** The admin calls send small documents, if any. */
  admin: 64 * 1_024,
} as const;
