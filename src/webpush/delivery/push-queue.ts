import { LRUCache } from 'lru-cache';
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
  /** Attempts at a time per push service. */
  originLimit: number;
  /** Called when there may be something to take that was not there before; never from within a method. */
  onWork: () => void;
}

/** How many pushes to one push service may be overdue besides those that may be under way, times those. */
const OVERDUE_PART = 3;

/** Pauses that are remembered though nothing may be owed; what is owed has its time noted besides. */
const MAX_PAUSES = 10_000;

/**
 * Who goes next. Push services have their turns, and so have the users of one, none of whom may have more
 * than a part of what goes to a service at a time. Within a subscription the order is kept.
 *
 * What fails or waits stands in nobody's way but its own subscription's; a pause that was asked for is the
 * push resource's (RFC 8030 section 8.4). What a whole push service does wrong delays the pushes to that
 * service only, see {@link OriginGate}.
 */
export class PushQueue {
  readonly #options: PushQueueOptions;
  readonly #pushes = new Map<number, QueuedPush>();
  readonly #lanes = new Map<string, Lane>();
  readonly #origins = new Map<string, Origin>();
  readonly #shares = new UserShares();
  /** Push services that may have something to send, in the order of their turns. */
  readonly #ready = new Set<Origin>();
  /** By endpoint, when its pause ends or ended. */
  readonly #pauses = new LRUCache<string, number>({ max: MAX_PAUSES });

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

  /** When the pause of a push resource ends or ended, in monotonic milliseconds. */
  pausedUntil(endpoint: string): number {
    return this.#pauses.size === 0 ? 0 : (this.#pauses.get(endpoint) ?? 0);
  }

  /** When a push may go out, behind those of its lane and a pause, in monotonic milliseconds; 0: not known. */
  dueAt(id: number): number {
    const push = this.#pushes.get(id);
    if (push === undefined) return 0;
    const { head, endpoint } = push.lane;
    return Math.max(push.dueAt, head?.dueAt ?? 0, this.pausedUntil(endpoint));
  }

  /** Nothing goes to a push resource before that time; the longer of two pauses counts. */
  pause(endpoint: string, until: number): void {
    this.#pauses.set(endpoint, Math.max(until, this.pausedUntil(endpoint)));
  }

  /** @param expiresAt and `dueAt` in monotonic milliseconds */
  add(owed: OwedPush, expiresAt: number, dueAt: number): QueuedPush {
    const lane = this.#laneOf(owed);
    const { id, kind, createdAt, attempts, unanswered } = owed;
    const lifeMsecs = owed.expiresAt - createdAt;
    const push: QueuedPush = {
      ...{ id, kind, lane, createdAt, expiresAt, lifeMsecs, attempts, unanswered, dueAt },
      suspect: false,
      overdue: false,
      stumbles: 0,
      removed: false,
      next: undefined,
    };
    this.#pushes.set(id, push);
    this.#shares.add(lane.user, id);
    lane.origin.owed += 1;
    this.#append(lane, push);
    return push;
  }

  /** Takes the push whose turn it is; undefined when none may go now. It counts as under way. */
  next(): QueuedPush | undefined {
    const now = this.#options.monotonic();
    for (const origin of this.#ready) {
      this.#ready.delete(origin);
      const lane = this.#take(origin, now);
      if (lane === undefined) continue;
      this.#ready.add(origin);
      const push = this.#headOf(lane);
      if (push === undefined) continue;
      if (this.pausedUntil(lane.endpoint) > now) {
        this.#line(lane);
        continue;
      }
      this.#enter(lane, 'running');
      origin.running += 1;
      origin.underWay.set(lane.user, underWay(lane) + 1);
      push.suspect = origin.gate.isSuspect(lane.user);
      if (push.suspect) origin.suspectsUnderWay += 1;
      origin.gate.started(now);
      return push;
    }
    return undefined;
  }

  /** The push is under way, and its answer late: others need not wait for it. */
  overdue(push: QueuedPush): void {
    const { origin, user } = push.lane;
    origin.gate.suspect(user);
    if (!push.suspect) origin.suspectsUnderWay += 1;
    push.suspect = true;
    if (origin.overdue >= OVERDUE_PART * this.#options.originLimit) return;
    push.overdue = true;
    origin.overdue += 1;
    this.#ready.add(origin);
  }

  /** The push is settled. */
  finish(push: QueuedPush): void {
    push.lane.unanswered = 0;
    this.remove(push.id);
    this.#release(push);
  }

  /** The push goes out again at `dueAt`, unless its resource is {@link pause}d for longer. */
  postpone(push: QueuedPush, dueAt: number): void {
    push.dueAt = dueAt;
    push.lane.unanswered = 0;
    this.#release(push);
  }

  /**
   * The push goes out again at `dueAt`, and was perhaps delivered: what its subscription is owed besides
   * does not wait for that, but goes on after a rest, each longer than the one before.
   */
  repeat(push: QueuedPush, dueAt: number, restMsecs: (unanswered: number) => number): void {
    const { lane } = push;
    const next = firstLeft(push.next);
    push.dueAt = dueAt;
    lane.unanswered += 1;
    if (next !== undefined) {
      const rested = this.#options.monotonic() + restMsecs(lane.unanswered);
      next.dueAt = Math.max(next.dueAt, rested);
    }
    const own = this.#laneFor(lane, repeatKey(push.id));
    if (own === lane) {
      this.#release(push);
      return;
    }
    lane.head = next;
    if (next === undefined) lane.tail = undefined;
    push.next = undefined;
    this.#release(push);
    push.lane = own;
    this.#append(own, push);
  }

  #append(lane: Lane, push: QueuedPush): void {
    if (lane.tail) lane.tail.next = push;
    lane.tail = push;
    lane.head ??= push;
    if (lane.head === push) this.#line(lane);
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
    if (isWaiting(lane) && lane.head === push && this.#headOf(lane)) this.#line(lane);
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

  #laneOf({ id, user, subscriptionId, endpoint, kind, unanswered }: OwedPush): Lane {
    const urgent = kind !== 'message';
    const key = [kind, subscriptionId, endpoint, user].join('\n');
    const parts = { user, subscriptionId, endpoint, urgent };
    return this.#laneFor(parts, unanswered > 0 ? repeatKey(id) : key);
  }

  #laneFor({ user, subscriptionId, endpoint, urgent }: LaneParts, key: string): Lane {
    const known = this.#lanes.get(key);
    if (known) return known;
    const origin = this.#originOf(endpoint);
    const parts = { key, user, subscriptionId, endpoint, origin, urgent };
    const course = { head: undefined, tail: undefined, state: 'ready', wakeAt: undefined } as const;
    const lane: Lane = { ...parts, ...course, unanswered: 0 };
    this.#lanes.set(key, lane);
    origin.lanes += 1;
    return lane;
  }

  #originOf(endpoint: string): Origin {
    const name = originOf(endpoint);
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      origin = {
        ...{ name, gate: new OriginGate(this.#options.originLimit) },
        ...{ urgent: new Turns(), lines: new Turns(), suspects: new Turns() },
        ...{ resting: new Set(), underWay: new Map(), suspectsUnderWay: 0, overdue: 0 },
        ...{ lanes: 0, paused: 0, running: 0, owed: 0, wakeAt: undefined },
        ...{ failedInARow: 0, failedUsers: new Set(), lastFailure: undefined },
      };
      this.#origins.set(name, origin);
    }
    return origin;
  }

  /** The lane whose turn it is. If none may go before a certain time, the agenda knows. */
  #take(origin: Origin, now: number): Lane | undefined {
    const { gate, resting } = origin;
    if (origin.running - origin.overdue >= gate.capacity) return undefined;
    if (gate.nextAt > now) {
      this.#wake(origin, gate.nextAt);
      return undefined;
    }
    const share = gate.userShare;
    const mayGo = (user: string): boolean => (origin.underWay.get(user) ?? 0) < share;
    const mayTry = origin.suspectsUnderWay < gate.suspectsShare;
    const fresh = origin.urgent.take(mayGo) ?? origin.lines.take(mayGo);
    const due = fresh ?? (mayTry ? origin.suspects.take(mayGo) : undefined);
    if (due !== undefined || resting.size === 0 || gate.earlyAt === Infinity) return due;
    if (gate.earlyAt > now) {
      this.#wake(origin, gate.earlyAt);
      return undefined;
    }
    for (const lane of resting) if (mayGo(lane.user)) return lane;
    return undefined;
  }

  /** Drops what was removed from the lane's front; an empty lane is forgotten. */
  #headOf(lane: Lane): QueuedPush | undefined {
    lane.head = firstLeft(lane.head);
    if (lane.head === undefined) {
      this.#enter(lane, 'gone');
      this.#lanes.delete(lane.key);
      lane.origin.lanes -= 1;
      this.#forget(lane.origin);
    }
    return lane.head;
  }

  #release(push: QueuedPush): void {
    const { lane } = push;
    const { origin } = lane;
    origin.running -= 1;
    if (push.suspect) origin.suspectsUnderWay -= 1;
    if (push.overdue) origin.overdue -= 1;
    push.overdue = false;
    const left = underWay(lane) - 1;
    if (left > 0) origin.underWay.set(lane.user, left);
    else origin.underWay.delete(lane.user);
    if (origin.gate.takeReopened()) {
      for (const rested of [...origin.resting]) {
        if (rested.head) rested.head.dueAt = 0;
        this.#line(rested);
      }
    }
    this.#ready.add(origin);
    if (this.#headOf(lane)) this.#line(lane);
  }

  /** Puts a lane with a head where it belongs: into the lines, or on the agenda. */
  #line(lane: Lane): void {
    const now = this.#options.monotonic();
    const pausedUntil = this.pausedUntil(lane.endpoint);
    const until = Math.max(lane.head?.dueAt ?? 0, pausedUntil);
    if (until > now) {
      const isDoubtful = (lane.head?.unanswered ?? 0) > 0;
      this.#enter(lane, pausedUntil > now ? 'paused' : isDoubtful ? 'doubtful' : 'resting');
      this.#wakeLane(lane, until);
    } else {
      const { origin, user } = lane;
      this.#enter(lane, 'ready');
      const fresh = lane.urgent ? origin.urgent : origin.lines;
      (origin.gate.isSuspect(user) ? origin.suspects : fresh).add(user, lane);
      this.#ready.add(origin);
    }
  }

  #enter(lane: Lane, state: Lane['state']): void {
    const { origin } = lane;
    if (lane.state === 'resting') origin.resting.delete(lane);
    if (lane.state === 'paused') origin.paused -= 1;
    lane.state = state;
    if (state === 'resting') origin.resting.add(lane);
    if (state === 'paused') origin.paused += 1;
  }

  #wakeLane(lane: Lane, at: number): void {
    if (lane.wakeAt === at) return;
    lane.wakeAt = at;
    this.#options.agenda.at(at, () => {
      // Since then the head may have been removed or tried early, and the lane be gone or further on.
      if (lane.wakeAt !== at) return;
      lane.wakeAt = undefined;
      if (!isWaiting(lane)) return;
      this.#line(lane);
      this.#options.onWork();
    });
  }

  #wake(origin: Origin, at: number): void {
    if (origin.wakeAt !== undefined && origin.wakeAt <= at) return;
    origin.wakeAt = at;
    this.#options.agenda.at(at, () => {
      if (origin.wakeAt !== at) return;
      origin.wakeAt = undefined;
      this.#ready.add(origin);
      this.#options.onWork();
    });
  }

  /** Forgets a push service to which nothing is owed. */
  #forget(origin: Origin): void {
    if (origin.lanes > 0 || origin.running > 0) return;
    this.#ready.delete(origin);
    if (this.#origins.get(origin.name) === origin) this.#origins.delete(origin.name);
  }
}

type LaneParts = Pick<Lane, 'user' | 'subscriptionId' | 'endpoint' | 'urgent'>;

/** The first from there on that was not removed. */
function firstLeft(push: QueuedPush | undefined): QueuedPush | undefined {
  let found = push;
  while (found?.removed) found = found.next;
  return found;
}

const repeatKey = (id: number): string => `repeat\n${id}`;

const isWaiting = ({ state }: Lane): boolean =>
  state === 'resting' || state === 'doubtful' || state === 'paused';

const underWay = ({ origin, user }: Lane): number => origin.underWay.get(user) ?? 0;
