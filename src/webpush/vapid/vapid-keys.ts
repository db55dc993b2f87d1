import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { systemClock, type Clock } from '../../clock.ts';
import { KeyedMutex } from '../../keyed-mutex.ts';
import { OvertakenError } from '../../stores/overtaken-error.ts';
import type { Expectation, Store } from '../../stores/store.ts';
import type { VapidCurve, VapidKey } from './vapid-key.ts';
import {
  decodeVapidRecord,
  encodeVapidRecord,
  toVapidKey,
  VAPID_KEY,
  type Sealer,
} from './vapid-record.ts';

export interface VapidKeysOptions {
  store: Store;
  /** Seals the private keys in the store. */
  sealer: Sealer;
  /** The curve of keys that are made from now on (`webpush.vapid_curve`); others stay what they are. */
  curve: VapidCurve;
  /** How many users' keys are kept in memory; 10,000 unless given. */
  cacheSize?: number;
  /** Milliseconds after which the store is asked again, for sidecars that share one; an hour unless given. */
  cacheMsecs?: number;
  clock?: Clock;
}

/**
 * Each user's VAPID key pair (webpush-spec, "VAPID Key"): made when it is first needed, the same ever
 * after. Push services tie a subscription to the key that it was made with.
 */
export class VapidKeys {
  readonly #options: VapidKeysOptions;
  readonly #cache: LRUCache<string, VapidKey>;
  readonly #turns = new KeyedMutex();

  constructor(options: VapidKeysOptions) {
    this.#options = options;
    this.#cache = new LRUCache({
      max: options.cacheSize ?? 10_000,
      ttl: options.cacheMsecs ?? 3_600_000,
      ttlResolution: 0,
      perf: { now: () => (options.clock ?? systemClock).monotonic() },
    });
  }

  /**
   * The user's key, made and stored if there is none yet; exactly once, however many ask.
   *
   * @throws UnavailableError the store, or the key in it, cannot be read or written
   */
  async get(user: string): Promise<VapidKey> {
    return (
      this.#cache.get(user) ??
      this.#turns.run(
        user,
        async () => this.#cache.get(user) ?? (await this.#load(user)) ?? this.#create(user, [NONE]),
      )
    );
  }

  /** The user's key, if there is one; none is made. */
  find(user: string): Promise<VapidKey | undefined> {
    return this.#turns.run(user, async () => this.#cache.get(user) ?? (await this.#load(user)));
  }

  /**
   * Takes over a key that was made elsewhere, with the subscriptions that were made with it.
   *
   * @param privateKey an EC key on one of the three curves
   * @param overwrite whether it takes the place of another key
   * @param dryRun whether only to say what would happen
   * @returns `kept` when another key is there and stays
   * @throws UnavailableError the store cannot be written, or the key in it cannot be read
   */
  adopt(
    user: string,
    privateKey: KeyObject,
    { overwrite, dryRun }: { overwrite: boolean; dryRun: boolean },
  ): Promise<'added' | 'changed' | 'unchanged' | 'kept'> {
    return this.#turns.run(user, async () => {
      const known = await this.#load(user);
      if (known?.publicPem === toVapidKey(privateKey).publicPem) return 'unchanged';
      if (known && !overwrite) return 'kept';
      if (!dryRun) await this.#save(user, privateKey);
      return known ? 'changed' : 'added';
    });
  }

  /**
   * Drops what is kept in memory, of one user or of all: the store may have another key by now, or none.
   */
  forget(user?: string): void {
    if (user === undefined) this.#cache.clear();
    else this.#cache.delete(user);
  }

  /**
   * Replaces the user's key, for when it may have become known to others.
   *
   * Push services refuse the new key for subscriptions that were made with the old one. The caller
   * removes those ({@link Subscriptions.removeAll}), so that clients notice, read the new key and
   * subscribe again; until then the user hears nothing. Other sidecars over the same store take up to
   * {@link VapidKeysOptions.cacheMsecs} to follow.
   *
   * @returns the new key
   * @throws UnavailableError the store cannot be written; the old key stays
   */
  rotate(user: string): Promise<VapidKey> {
    return this.#turns.run(user, () => this.#create(user));
  }

  async #load(user: string): Promise<VapidKey | undefined> {
    const { store, sealer } = this.#options;
    const octets = await store.get(user, VAPID_KEY);
    if (octets === undefined) return undefined;
    const key = decodeVapidRecord(user, octets, sealer);
    this.#cache.set(user, key);
    return key;
  }

  #create(user: string, expected: readonly Expectation[] = []): Promise<VapidKey> {
    const { curve } = this.#options;
    return this.#save(user, generateKeyPairSync('ec', { namedCurve: curve }).privateKey, expected);
  }

  async #save(
    user: string,
    privateKey: KeyObject,
    expected: readonly Expectation[] = [],
  ): Promise<VapidKey> {
    const { store, sealer } = this.#options;
    const value = encodeVapidRecord(user, privateKey, sealer);
    try {
      await store.commit(user, [...expected, { op: 'set', key: VAPID_KEY, value }]);
    } catch (error) {
      if (!(error instanceof OvertakenError)) throw error;
    }
    this.#cache.delete(user);
    // Read back: if another sidecar stored its own in the same moment, the store's is the one.
    const key = await this.#load(user);
    return key ?? decodeVapidRecord(user, value, sealer);
  }
}

/** No key is there yet. */
const NONE: Expectation = { op: 'expect', key: VAPID_KEY, value: undefined };
