import type { OwedPush } from '../../stores/outbox-store.ts';
import type { Agenda } from './agenda.ts';
import type { Lane, Origin, QueuedPush } from './lane.ts';
import { OriginGate } from './origin-gate.ts';
import { originOf } from './origin-of.ts';
import { Turns } from './turns.ts';
import { UserShares } from './user-shares.ts';

export interface PushQueueOptions {
  agenda: Agenda;
  /** Monotonic milliseconds. */
  monotonic: () => number;
  random: () => number;
  /** Attempts at a time per push service. */
  originLimit: number;
  /** Called when there may be something to take that was not there before; never from within a method. */
  onWork: () => void;
}

/**
 * Who goes next. Push services have their turns, and so have the users of one; within a subscription the
 * order is kept. What fails or waits stands in nobody's way but its own subscription's, and what a whole
 * push service does wrong delays the pushes to that service only.
 */
export class PushQueue {
  readonly #options: PushQueueOptions;
  readonly #pushes = new Map<number, QueuedPush>();
  readonly #lanes = new Map<string, Lane>();
  readonly #origins = new Map<string, Origin>();
  readonly #shares = new UserShares();
  /** Push services that may have something to send, in the order of their turns. */
  readonly #ready = new Set<Origin>();

  constructor(options: PushQueueOptions) {
    this.#options = options;
  }

  /** How many pushes are owed, those under way included. */
  get size(): number {
    return this.#pushes.size;
  }

  has(id: number): boolean {
    return this.#pushes.has(id);
  }

  /** All pushes, the oldest first. */
  pushes(): IterableIterator<QueuedPush> {
    return this.#pushes.values();
  }

  origins(): IterableIterator<Origin> {
    return this.#origins.values();
  }

  /** Whether the endpoint's push service is left alone at the moment. */
  isPaused(endpoint: string): boolean {
    const origin = this.#origins.get(originOf(endpoint));
    return origin?.gate.capacity(this.#options.monotonic()) === 0;
  }

  /** @param expiresAt and `dueAt` in monotonic milliseconds */
  add(owed: OwedPush, expiresAt: number, dueAt: number): QueuedPush {
    const lane = this.#laneOf(owed);
    const { id, kind, createdAt, attempts } = owed;
    const lifeMsecs = owed.expiresAt - createdAt;
    const push: QueuedPush = {
      ...{ id, kind, lane, createdAt, expiresAt, lifeMsecs, attempts, dueAt },
      stumbles: 0,
      removed: false,
      next: undefined,
    };
    this.#pushes.set(id, push);
    this.#shares.add(lane.user, id);
    lane.origin.owed += 1;
    if (lane.tail) lane.tail.next = push;
    lane.tail = push;
    lane.head ??= push;
    if (lane.head === push) this.#line(lane);
    return push;
  }

  /** Takes the push whose turn it is; undefined when none may go now. It counts as under way. */
  next(): QueuedPush | undefined {
    const now = this.#options.monotonic();
    for (const origin of this.#ready) {
      this.#ready.delete(origin);
      if (origin.running >= origin.gate.capacity(now)) {
        this.#wakeAfterPause(origin, now);
        continue;
      }
      const lane = origin.urgent.shift() ?? origin.lines.take();
      if (lane === undefined) continue;
      this.#ready.add(origin);
      const push = this.#headOf(lane);
      if (push === undefined) continue;
      lane.state = 'running';
      origin.running += 1;
      return push;
    }
    return undefined;
  }

  /** The push is settled. */
  finish(push: QueuedPush): void {
    this.remove(push.id);
    this.#release(push.lane);
  }

  /** The push goes out again at `dueAt`. */
  postpone(push: QueuedPush, dueAt: number): void {
    push.dueAt = dueAt;
    this.#release(push.lane);
  }

  /** Takes a push out; one that is under way is not called back. */
  remove(id: number): QueuedPush | undefined {
    const push = this.#pushes.get(id);
    if (push === undefined) return undefined;
    const { lane } = push;
    this.#pushes.delete(id);
    this.#shares.remove(lane.user, id);
    push.removed = true;
    lane.origin.owed -= 1;
    // The next one need not wait for this one's time.
    if (lane.state === 'waiting' && lane.head === push && this.#headOf(lane)) this.#line(lane);
    return push;
  }

  /**
   * The pushes that are to go when there are too many, {@link UserShares.heaviest}. They are owed until
   * they are {@link remove}d, and not chosen again unless {@link spare}d.
   */
  chooseHeaviest(count: number): QueuedPush[] {
    const chosen: QueuedPush[] = [];
    while (chosen.length < count) {
      const heaviest = this.#shares.heaviest();
      if (heaviest === undefined) break;
      this.#shares.remove(heaviest.user, heaviest.id);
      const push = this.#pushes.get(heaviest.id);
      if (push) chosen.push(push);
    }
    return chosen;
  }

  /** They were chosen, and could not go. */
  spare(chosen: readonly QueuedPush[]): void {
    for (const { id, lane, removed } of chosen) if (!removed) this.#shares.add(lane.user, id);
  }

  /** Takes out what expired and is not under way. */
  takeExpired(now: number): QueuedPush[] {
    const expired: QueuedPush[] = [];
    for (const push of this.#pushes.values()) {
      const underWay = push.lane.state === 'running' && push.lane.head === push;
      if (push.expiresAt <= now && !underWay) expired.push(push);
    }
    for (const { id } of expired) this.remove(id);
    return expired;
  }

  #laneOf({ user, subscriptionId, endpoint, kind }: OwedPush): Lane {
    const urgent = kind !== 'message';
    const key = [kind, subscriptionId, endpoint, user].join('\n');
    const known = this.#lanes.get(key);
    if (known) return known;
    const origin = this.#originOf(endpoint);
    const parts = { key, user, subscriptionId, endpoint, origin, urgent };
    const lane: Lane = { ...parts, head: undefined, tail: undefined, state: 'waiting' };
    this.#lanes.set(key, lane);
    origin.lanes += 1;
    return lane;
  }

  #originOf(endpoint: string): Origin {
    const name = originOf(endpoint);
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      const { originLimit, random } = this.#options;
      const gate = new OriginGate(originLimit, random);
      const counts = { lanes: 0, running: 0, owed: 0, wakeAt: undefined };
      origin = { name, gate, lines: new Turns(), urgent: [], ...counts };
      this.#origins.set(name, origin);
    }
    return origin;
  }

  /** Drops what was removed from the lane's front; an empty lane is forgotten. */
  #headOf(lane: Lane): QueuedPush | undefined {
    while (lane.head?.removed) lane.head = lane.head.next;
    if (lane.head === undefined) {
      lane.state = 'gone';
      this.#lanes.delete(lane.key);
      lane.origin.lanes -= 1;
      this.#forget(lane.origin);
    }
    return lane.head;
  }

  #release(lane: Lane): void {
    const { origin } = lane;
    origin.running -= 1;
    this.#ready.add(origin);
    if (this.#headOf(lane)) this.#line(lane);
  }

  /** Puts a lane with a head where it belongs: into the lines, or on the agenda. */
  #line(lane: Lane): void {
    const dueAt = lane.head?.dueAt ?? 0;
    if (dueAt > this.#options.monotonic()) {
      lane.state = 'waiting';
      this.#options.agenda.at(dueAt, () => {
        // Since then the head may have been removed, and the lane be gone or further on.
        if (lane.state !== 'waiting') return;
        this.#line(lane);
        this.#options.onWork();
      });
      return;
    }
    lane.state = 'ready';
    if (lane.urgent) lane.origin.urgent.push(lane);
    else lane.origin.lines.add(lane.user, lane);
    this.#ready.add(lane.origin);
  }

  #wakeAfterPause(origin: Origin, now: number): void {
    const { pausedUntil } = origin.gate;
    if (pausedUntil <= now || origin.wakeAt === pausedUntil) return;
    origin.wakeAt = pausedUntil;
    this.#options.agenda.at(pausedUntil, () => {
      if (origin.wakeAt === pausedUntil) origin.wakeAt = undefined;
      this.#ready.add(origin);
      this.#forget(origin);
      this.#options.onWork();
    });
  }

  /** Forgets a push service to which nothing is owed, unless it is to be left alone. */
  #forget(origin: Origin): void {
    const paused = origin.gate.pausedUntil > this.#options.monotonic();
    if (origin.lanes > 0 || origin.running > 0 || paused) return;
    this.#ready.delete(origin);
    if (this.#origins.get(origin.name) === origin) this.#origins.delete(origin.name);
  }
}
