/** A body that is still coming in. */
export interface BodyShare {
  /** So many octets more are kept of it. */
  add(octets: number): void;
  /** It is complete, or given up. */
  close(): void;
}

/** What a chunk takes in memory besides its octets: whoever sends one octet at a time fills it as well. */
const CHUNK_OVERHEAD = 128;

/**
 * What bodies that are not complete yet may take together, through whatever door they come. Past it, the
 * oldest is given up: an honest one is complete within milliseconds.
 */
export class BodyBudget {
  readonly #limit: number;
  /** The oldest first. */
  readonly #open = new Map<BodyShare, Kept>();
  #octets = 0;

  constructor(limitOctets: number) {
    this.#limit = limitOctets;
  }

  get octets(): number {
    return this.#octets;
  }

  /** @param giveUp called at most once, when there is no room for the body any more */
  open(giveUp: () => void): BodyShare {
    const kept: Kept = { octets: 0, giveUp };
    const share: BodyShare = {
      add: (octets) => {
        if (!this.#open.has(share)) return;
        kept.octets += octets + CHUNK_OVERHEAD;
        this.#octets += octets + CHUNK_OVERHEAD;
        while (this.#octets > this.#limit) this.#dropOldest();
      },
      close: () => {
        if (this.#open.delete(share)) this.#octets -= kept.octets;
      },
    };
    this.#open.set(share, kept);
    return share;
  }

  #dropOldest(): void {
    for (const [share, { octets, giveUp }] of this.#open) {
      if (octets === 0) continue;
      share.close();
      giveUp();
      return;
    }
  }
}

interface Kept {
  octets: number;
  giveUp: () => void;
}
