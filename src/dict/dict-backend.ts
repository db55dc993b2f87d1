import type { Change, CommitResult, StoreEntry } from '../stores/store.ts';

/**
 * What answers the dict protocol. Keys begin with `priv/` or `shared/`; `user` is never empty.
 *
 * `user` is the one who is logged in, for both kinds of keys: annotations of a mailbox that another
 * user shares arrive with the name of whoever reads or writes them (Dovecot's
 * src/lib-storage/index/index-attribute.c). `shared/<mailbox GUID>/…` therefore has to be found
 * under whatever user asks.
 *
 * A rejection becomes the reply `F`, or for a commit a failed commit, which an IMAP client sees as
 * NO: InvalidInputError for what the user did wrong, any other error for what we could not do. Only
 * the messages of SidecarErrors leave this process.
 */
export interface DictBackend {
  lookup(user: string, key: string): Promise<Buffer | undefined>;

  /**
   * At least the rows that were asked for, in pages and in any order. Rows that do not fit are left out by
   * the caller, which also sorts, stops at the most rows that are wanted, and drops values.
   */
  iterate(
    user: string,
    path: string,
    options: IterateOptions,
  ): AsyncIterable<readonly StoreEntry[]>;

  /**
   * Applies one transaction, whose keys may be both `priv/` and `shared/`: all of it or nothing.
   * Dovecot 2.4.2 and later send a transaction again, unless it increments, when the connection
   * broke before the reply: to apply it twice must do no harm.
   */
  commit(user: string, changes: readonly Change[]): Promise<CommitResult>;
}

/** The flags of Dovecot's src/lib-dict/dict.h that change what is answered. */
export interface IterateOptions {
  /** Rows below sub-hierarchies too: `a/b/c` for `a/`. Prevails over `exactKey`. */
  recurse: boolean;
  /** Only the row whose key is the path. */
  exactKey: boolean;
  /** Keys only; the values of the rows are not looked at. */
  noValue: boolean;
  /** By octets. */
  sort: 'no' | 'key' | 'value';
}
