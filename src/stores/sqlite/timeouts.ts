/** How long a write waits for another process's lock: two in a row stay under Dovecot's 5 s warning. */
export const BUSY_TIMEOUT_MSECS = 2000;

/** For so long the write-ahead log may have what was removed from the database. */
export const EMPTY_LOG_MSECS = 60_000;

/** When a check gives up: the writer may have to wait out one lock before the check's own turn. */
export const CHECK_DEADLINE_MSECS = 2 * BUSY_TIMEOUT_MSECS + 1000;
