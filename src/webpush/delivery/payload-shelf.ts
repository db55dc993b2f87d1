import { LRUCache } from 'lru-cache';
import type { OutboxStore, OwedPush, Urgency } from '../../stores/outbox-store.ts';

/** What an attempt needs of a push besides what the schedule knows. */
export interface ShelvedPush {
  payload: string;
  urgency: Urgency;
}

/** Pushes read from the store at a time: what is next to a wanted one is wanted soon. */
const PAGE = 64;

/**
 * Payloads within reach, at most `maxOctets` of them; the others are read from the store when their turn
 * comes, so that a backlog costs memory for its schedule only.
 */
export class PayloadShelf {
  readonly #store: OutboxStore;
  readonly #isOwed: (id: number) => boolean;
  readonly #shelf: LRUCache<number, ShelvedPush>;
  #reading: Promise<unknown> = Promise.resolve();

  /** @param isOwed whether a push is still in the schedule */
  constructor(store: OutboxStore, isOwed: (id: number) => boolean, maxOctets: number) {
    this.#store = store;
    this.#isOwed = isOwed;
    this.#shelf = new LRUCache({
      maxSize: maxOctets,
      sizeCalculation: ({ payload }) => 2 * payload.length + 200,
    });
  }

  put({ id, payload, urgency }: OwedPush): ShelvedPush {
    const shelved = { payload, urgency };
    this.#shelf.set(id, shelved);
    return shelved;
  }

  /**
   * @returns undefined when the store does not have the push any more
   * @throws UnavailableError the store cannot be read
   */
  get(id: number): Promise<ShelvedPush | undefined> | ShelvedPush {
    return this.#shelf.get(id) ?? this.#read(id);
  }

  remove(id: number): void {
    this.#shelf.delete(id);
  }

  /** One page at a time: the next reader often finds what it wants in the page before. */
  #read(id: number): Promise<ShelvedPush | undefined> {
    const read = async (): Promise<ShelvedPush | undefined> => {
      const found = this.#shelf.get(id);
      if (found) return found;
      let wanted: ShelvedPush | undefined;
      for (const push of await this.#store.page(id - 1, PAGE)) {
        if (push.id === id) wanted = this.put(push);
        else if (this.#isOwed(push.id) && !this.#shelf.has(push.id)) this.put(push);
      }
      return wanted;
    };
    const reading = this.#reading.then(read, read);
    this.#reading = reading.catch(() => undefined);
    return reading;
  }
}
