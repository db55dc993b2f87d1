interface Share {
  readonly user: string;
  /** Ids of pushes, the one that has been owed the longest first. */
  readonly ids: Set<number>;
}

/**
 * Who owes how much, so that a full outbox takes from whoever owes most. All of it takes the same time,
 * however many users and pushes there are: a count changes by one, and so a user moves to the set next
 * to its own.
 */
export class UserShares {
  readonly #shares = new Map<string, Share>();
  /** At index n, those who owe n pushes; among equals, who came to it first is first. */
  readonly #byCount: Set<Share>[] = [];
  #most = 0;

  add(user: string, id: number): void {
    let share = this.#shares.get(user);
    if (share === undefined) {
      share = { user, ids: new Set() };
      this.#shares.set(user, share);
    }
    const before = share.ids.size;
    share.ids.add(id);
    this.#move(share, before);
  }

  remove(user: string, id: number): void {
    const share = this.#shares.get(user);
    if (share === undefined) return;
    const before = share.ids.size;
    share.ids.delete(id);
    this.#move(share, before);
    if (share.ids.size === 0) this.#shares.delete(user);
  }

  /** The push that goes when one has to: the oldest of whoever owes most. Undefined when nobody owes any. */
  heaviest(): { user: string; id: number } | undefined {
    for (const { user, ids } of this.#byCount[this.#most] ?? []) {
      for (const id of ids) return { user, id };
    }
    return undefined;
  }

  #move(share: Share, before: number): void {
    const count = share.ids.size;
    if (count === before) return;
    this.#byCount[before]?.delete(share);
    if (count > 0) {
      const others = this.#byCount[count];
      if (others) others.add(share);
      else this.#byCount[count] = new Set([share]);
    }
    if (count > this.#most) this.#most = count;
    else if (before === this.#most && this.#byCount[before]?.size === 0) {
      // The one that left is the only one there was, and stands just below.
      this.#most = before - 1;
      this.#byCount.length = before;
    }
  }
}
