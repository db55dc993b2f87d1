import type { Usage } from './annotation-limits.ts';

/**
 * What users annotated, and what the sidecar remembers about them.
 *
 * A store is a map from (user, key) to octets with one atomic commit. Keys are `/`-separated UTF-8
 * text of any length up to {@link MAX_KEY_OCTETS}; values are arbitrary octets. What a store gives out
 * may be given out again: nobody writes to it. Every kind of store passes the same contract suite
 * (`test/stores/store-contract.ts`).
 */
export interface Store {
  /** `sqlite` or `redis`: for the log and the status page. */
  readonly kind: string;

  /** The value under `key`, or undefined when there is none. */
  get(user: string, key: string): Promise<Buffer | undefined>;

  /**
   * All entries of `user` whose key starts with `prefix`, ordered by the octets of the key. For what the
   * service itself bounds; what users annotate may be much, and comes in {@link Store.pages}.
   */
  list(user: string, prefix: string): Promise<StoreEntry[]>;

  /**
   * The same in pages of {@link PAGE_ENTRIES} entries or {@link PAGE_OCTETS} octets, roughly, in no
   * particular order; everything else has its turn between them. Of what is changed meanwhile, a page
   * may show either state; no entry comes twice.
   */
  pages(user: string, prefix: string, options?: PageOptions): AsyncIterable<StoreEntry[]>;

  /** What is counted in a scope: see `scopeOf`. Kept with each commit, so it costs next to nothing. */
  usage(user: string, scope: string): Promise<Usage>;

  /**
   * Applies all changes in their order, or none of them; durable when it resolves.
   *
   * Resolves to `missing`, with nothing changed, when an `increment` names a key that does not exist
   * (Dovecot's DICT_COMMIT_RET_NOTFOUND).
   *
   * @throws UnavailableError the store is full, locked or gone; nothing was changed. Only when the
   *   way to a remote store broke after the commit was sent, it may have taken place all the same
   * @throws OvertakenError an `expect` is not so; nothing was changed
   * @throws AnnotationLimitError annotations would grow over the limits that the store was opened with;
   *   nothing was changed
   * @throws InvalidInputError an `increment` names a value that is not a whole number in its
   *   shortest form, or leads out of 64 bits; or a user or key is too long or not Unicode text.
   *   Nothing was changed
   */
  commit(user: string, changes: readonly (Change | Expectation)[]): Promise<CommitResult>;

  /** Every user that has at least one entry, in no particular order. */
  users(): AsyncIterable<string>;

  /**
   * Takes what was removed off the disk as well, as far as the store can: the embedded one out of its
   * file and its log, unless another process reads them just then; Redis out of nothing, since what its
   * server has on disk is the server's affair.
   */
  scrub(): Promise<void>;

  /** @throws UnavailableError saying why the store could not commit right now */
  check(): Promise<void>;

  close(): Promise<void>;
}

export interface PageOptions {
  /** Values are not read; those in the pages are empty. */
  keysOnly?: boolean;
}

export const PAGE_ENTRIES = 200;
export const PAGE_OCTETS = 65_536;

/** The value of an entry of which only the key was asked for. */
export const NO_VALUE = Buffer.alloc(0);

export interface StoreEntry {
  key: string;
  value: Buffer;
}

export type Change =
  | { op: 'set'; key: string; value: Buffer }
  | { op: 'unset'; key: string }
  | { op: 'increment'; key: string; by: number };

/**
 * The commit is to take place only if `key` had this value before it; undefined, if there was none. For
 * what is read, changed and written back where several sidecars share a store.
 */
export interface Expectation {
  op: 'expect';
  key: string;
  value: Buffer | undefined;
}

export type CommitResult = 'committed' | 'missing';

/** A request that asks for it has at most 64 KiB; a key can therefore not be longer. */
export const MAX_KEY_OCTETS = 65_536;
