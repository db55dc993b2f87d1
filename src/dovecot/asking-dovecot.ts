import { AsyncLocalStorage } from 'node:async_hooks';

const listeners = new AsyncLocalStorage<() => void>();

/**
 * Runs `work`, and tells as soon as any part of it asks Dovecot for something: an answer takes
 * milliseconds at best, and seconds when Dovecot is not well.
 */
export const tellWhenAskingDovecot = <T>(tell: () => void, work: () => T): T =>
  listeners.run(tell, work);

/** Said by every client of Dovecot before it asks. */
export const sayAskingDovecot = (): void => listeners.getStore()?.();
