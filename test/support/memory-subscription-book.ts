import type { PushKind } from '../../src/stores/outbox-store.ts';
import type {
  PushResult,
  SubscriptionBook,
} from '../../src/webpush/subscriptions/subscription-book.ts';
import type { PushResource } from '../../src/webpush/subscriptions/subscription.ts';

/** Subscriptions in memory, and everything that the delivery engine said about them. */
export class MemorySubscriptionBook implements SubscriptionBook {
  readonly #resources = new Map<string, PushResource>();
  readonly results: (PushResult & { user: string; id: string })[] = [];
  readonly removed: { user: string; id: string; reason: string }[] = [];

  set(user: string, id: string, resource: PushResource): void {
    this.#resources.set(`${user} ${id}`, resource);
  }

  has(user: string, id: string): boolean {
    return this.#resources.has(`${user} ${id}`);
  }

  resource(
    user: string,
    id: string,
    endpoint: string,
    _kind: PushKind,
  ): Promise<PushResource | undefined> {
    const resource = this.#resources.get(`${user} ${id}`);
    return Promise.resolve(resource?.endpoint === endpoint ? resource : undefined);
  }

  async remove(user: string, id: string, endpoint: string, reason: string): Promise<boolean> {
    if ((await this.resource(user, id, endpoint, 'message')) === undefined) return false;
    this.removed.push({ user, id, reason });
    return this.#resources.delete(`${user} ${id}`);
  }

  /** `user id`, for each, and a question mark where nobody answered. */
  readonly validationsSent: string[] = [];

  validationSent(user: string, id: string, _endpoint: string, taken: boolean): Promise<void> {
    this.validationsSent.push(`${user} ${id}${taken ? '' : '?'}`);
    return Promise.resolve();
  }

  record(user: string, id: string, _endpoint: string, result: PushResult): void {
    this.results.push({ user, id, ...result });
  }

  history(user: string, id: string): Promise<{ successes: number; failuresInARow: number }> {
    const own = this.results.filter((result) => result.user === user && result.id === id);
    return Promise.resolve({
      successes: own.filter(({ delivered }) => delivered).length,
      failuresInARow: own.length - 1 - own.findLastIndex(({ delivered }) => delivered),
    });
  }
}
