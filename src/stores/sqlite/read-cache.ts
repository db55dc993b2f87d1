import { LRUCache } from 'lru-cache';

/** Octets of values that are kept, and of one of them. */
const CAPACITY = 16 * 1_048_576;
const LARGEST = 65_536;
/** What an entry takes besides its value. */
const OVERHEAD = 200;

/** Names of what was read last: a look at every user drives out nothing that is in use. */
const NOTED = 20_000;

/** Users who share one are forgotten together. */
const BUCKETS = 4_096;

interface Kept {
  value: unknown;
  version: number;
}

/**
 * What was read of the store twice, for as long as its user changes nothing. It serves because one
 * process owns the file, and every change comes by here.
 *
 * While a commit is under way nobody can say which side of it a read is on, so nothing read then is
 * kept.
 */
export class ReadCache {
  readonly #kept = new LRUCache<string, Kept>({ maxSize: CAPACITY, maxEntrySize: LARGEST });
  readonly #noted = new LRUCache<string, true>({ max: NOTED });
  readonly #versions = new Uint32Array(BUCKETS);
  readonly #committing = new Uint16Array(BUCKETS);

  /**
   * @param name what is read, of this user
   * @param octets how large the value is; it is shared, so nobody may write to it
   */
  read<T>(user: string, name: string, read: () => T, octets: (value: T) => number): T {
    const bucket = bucketOf(user);
    const key = `${user}\0${name}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.version === this.#versions[bucket]) return kept.value as T;
    const value = read();
    if (this.#noted.get(key) !== true) this.#noted.set(key, true);
    else if (this.#committing[bucket] === 0) {
      const version = this.#versions[bucket] ?? 0;
      this.#kept.set(key, { value, version }, { size: key.length + octets(value) + OVERHEAD });
    }
    return value;
  }

  /** Runs a commit of this user's; whatever becomes of it, what was read before is read anew. */
  async around<T>(user: string, commit: () => Promise<T>): Promise<T> {
    const bucket = bucketOf(user);
    this.#count(this.#committing, bucket, 1);
    try {
      return await commit();
    } finally {
      this.#count(this.#committing, bucket, -1);
      this.#count(this.#versions, bucket, 1);
    }
  }

  #count(counters: Uint32Array | Uint16Array, bucket: number, by: number): void {
    counters[bucket] = (counters[bucket] ?? 0) + by;
  }
}

function bucketOf(user: string): number {
  let hash = 0;
  for (let index = 0; index < user.length; index += 1) {
    hash = (hash * 31 + user.charCodeAt(index)) | 0;
  }
  return hash & (BUCKETS - 1);
}
