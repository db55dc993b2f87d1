import { readSettings, type CoiSettings } from '../coi/settings.ts';
import type { Store } from '../stores/store.ts';

/** Who keeps the annotations (`metadata.source`), as far as the rest of the service needs to know. */
export interface MetadataSource {
  /**
   * The user's settings, as current as this source can tell. Subscriptions are as current after it.
   *
   * @throws UnavailableError nothing is known of the user, and nothing can be found out
   */
  settings(user: string): Promise<CoiSettings>;

  /** Shows clients what the service itself has changed in the store. */
  publish(user: string): Promise<void>;

  /**
   * A client used a metadata command for this user.
   *
   * @param command GETMETADATA or SETMETADATA; undefined when Dovecot did not say
   */
  onNotice(user: string, command: string | undefined): void;

  /** Drops what it remembers of one user's settings, or of everybody's, so that they are read anew. */
  forget(user?: string): void;

  /** Lets what is under way come to its end, for at most so long: it is noted then, for the next process. */
  stop(deadlineMsecs: number): Promise<void>;
}

/** `dict`: what is in the store is what clients see. */
export const dictSource = (store: Store): MetadataSource => ({
  settings: (user) => readSettings(store, user),
  publish: () => Promise.resolve(),
  onNotice: () => undefined,
  forget: () => undefined,
  stop: () => Promise.resolve(),
});
