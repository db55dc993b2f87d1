import { watch, type FSWatcher } from 'node:fs';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { EventDirectory } from './event-directory.ts';
import type { JournalWorker } from './journal-worker.ts';
import { UserLog, type UserLogParts } from './user-log.ts';

export interface EventLogsParts extends Omit<UserLogParts, 'onProblem'> {
  directory: EventDirectory;
  worker: Pick<JournalWorker, 'begin' | 'makeRoom'>;
  /** Those who will report events, as far as that can be told. */
  systemUsers: () => Promise<Iterable<number>>;
  /** Milliseconds between two looks at logs, which are watched as well. */
  pollInterval: number;
  log: Logger;
}

/** Logs that are read at a time: their commits share a trip to the disk. */
const LOGS_AT_A_TIME = 8;
/** How many a poll looks at; with more logs than that, each has its turn. */
const LOGS_A_POLL = 250;
/** A process that writes octet by octet has its log looked at no more often than this. */
const REST_MSECS = 50;

interface Followed {
  user: UserLog;
  watcher: FSWatcher | undefined;
  /** Waits for its turn; under way; resting, and to be looked at after that. */
  state: 'idle' | 'waiting' | 'reading' | 'resting';
  again: boolean;
  /** Who wants to know when it was read to its end. */
  awaited: (() => void)[];
}

/**
 * Follows the event logs of all system users, and moves what they say into the journal: a part of each
 * in turn, however long they are, and no more than the journal has room for.
 */
export class EventLogs {
  readonly #parts: EventLogsParts;
  readonly #followed = new Map<number, Followed>();
  readonly #waiting: Followed[] = [];
  /** What was found since the last poll, which tells of it: how often, by what it was. */
  readonly #problems = new Map<string, number>();
  readonly #loops = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #polled = 0;
  #watchFailed = false;
  #stopped = false;

  constructor(parts: EventLogsParts) {
    this.#parts = parts;
  }

  /**
   * Follows the logs that are there, and makes those that will be needed: what is reported while there is
   * neither a log nor a service is lost. Does not wait for what they say.
   */
  start(): void {
    const { directory, pollInterval, log } = this.#parts;
    this.#timer = setInterval(() => this.#poll(), pollInterval);
    void directory
      .prepare()
      .catch((error: unknown) => log.error({ err: error }))
      .then(() => this.#followAll())
      .then(() => this.#makeLogs());
  }

  /** After the parts that are under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const { watcher } of this.#followed.values()) watcher?.close();
    while (this.#loops.size > 0) await Promise.all(this.#loops);
    this.#tellProblems();
  }

  /** A system user reports events: it needs a log for those that nobody takes. */
  note(uid: number | undefined): void {
    if (uid === undefined || this.#stopped || this.#followed.has(uid)) return;
    void this.#follow(uid);
  }

  /** Takes in all that is there now, as far as there is room and nothing is in the way. */
  async takeIn(): Promise<void> {
    await this.#followAll();
    const read = [...this.#followed.values()].map(async (followed) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      followed.awaited.push(() => resolve(undefined));
      this.#wake(followed);
      await promise;
    });
    if (!this.#stopped) await Promise.all(read);
  }

  /** Has all logs begin anew, so that what was read of them is gone in a while. */
  renew(): void {
    for (const followed of this.#followed.values()) {
      followed.user.renew();
      this.#wake(followed);
    }
  }

  /** Octets that were not taken in yet. */
  unread(): number {
    return [...this.#followed.values()].reduce((sum, { user }) => sum + user.unread, 0);
  }

  /** Since when the oldest of that waits, in milliseconds since the epoch; Infinity when nothing does. */
  oldest(): number {
    return Math.min(...[...this.#followed.values()].map(({ user }) => user.unreadSince));
  }

  async #followAll(): Promise<void> {
    for (const uid of await this.#parts.directory.users()) {
      if (!this.#stopped && !this.#followed.has(uid)) await this.#follow(uid);
    }
  }

  async #follow(uid: number): Promise<void> {
    if (!(await this.#parts.directory.ensure(uid))) return;
    if (this.#stopped || this.#followed.has(uid)) return;
    const onProblem = (problem: string): void => this.#note(uid, problem);
    const followed: Followed = {
      user: new UserLog(uid, { ...this.#parts, onProblem }),
      watcher: undefined,
      state: 'idle',
      again: false,
      awaited: [],
    };
    this.#followed.set(uid, followed);
    followed.watcher = this.#watch(followed);
    this.#wake(followed);
  }

  #watch(followed: Followed): FSWatcher | undefined {
    try {
      const watcher = watch(this.#parts.directory.of(followed.user.uid), (_event, name) => {
        if (name?.startsWith('log') !== false) this.#wake(followed);
      });
      watcher.on('error', () => watcher.close());
      watcher.unref();
      return watcher;
    } catch (error) {
      if (!this.#watchFailed) {
        const reason = errorMessage(error);
        this.#parts.log.warn({ reason }, 'cannot watch an event log; looking at it now and then');
      }
      this.#watchFailed = true;
      return undefined;
    }
  }

  async #makeLogs(): Promise<void> {
    try {
      for (const uid of await this.#parts.systemUsers()) this.note(uid);
    } catch (error) {
      this.#parts.log.debug({ err: error }, 'cannot find out who will report events');
    }
  }

  #poll(): void {
    this.#tellProblems();
    // Dovecot starts after this service, and could not say.
    if (this.#followed.size === 0) void this.#makeLogs();
    void this.#parts.directory.mendAccess();
    const all = [...this.#followed.values()];
    const turn = all.length > LOGS_A_POLL ? LOGS_A_POLL : all.length;
    for (let count = 0; count < turn; count += 1) {
      this.#polled = (this.#polled + 1) % all.length;
      const followed = all[this.#polled];
      if (followed !== undefined) this.#wake(followed);
    }
  }

  #wake(followed: Followed): void {
    followed.again = true;
    if (followed.state !== 'idle' || this.#stopped) return;
    this.#enqueue(followed);
  }

  #enqueue(followed: Followed): void {
    followed.state = 'waiting';
    this.#waiting.push(followed);
    if (this.#loops.size >= LOGS_AT_A_TIME) return;
    const loop = this.#run().finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }

  async #run(): Promise<void> {
    for (let one = this.#waiting.shift(); one !== undefined; one = this.#waiting.shift()) {
      const awaited = one.awaited.splice(0);
      one.again = false;
      one.state = 'reading';
      if (await this.#read(one)) {
        one.awaited.unshift(...awaited);
        one.state = 'waiting';
        this.#waiting.push(one);
      } else {
        for (const tell of awaited) tell();
        this.#rest(one);
      }
    }
  }

  async #read({ user }: Followed): Promise<boolean> {
    if (this.#stopped) return false;
    try {
      await this.#parts.positions.load();
      if (!(await this.#parts.worker.makeRoom())) {
        this.#note(user.uid, 'the journal is full; what stands in the logs waits');
        return false;
      }
      const more = await user.readNext();
      this.#parts.worker.begin();
      return more;
    } catch (error) {
      this.#note(user.uid, errorMessage(error));
      return false;
    }
  }

  /** What was written meanwhile is looked at after a moment. */
  #rest(followed: Followed): void {
    followed.state = 'resting';
    setTimeout(() => {
      followed.state = 'idle';
      if (followed.again && !this.#stopped) this.#enqueue(followed);
    }, REST_MSECS);
  }

  #note(uid: number, problem: string): void {
    const what = `event log of the system user ${uid}: ${problem}`;
    if (this.#problems.size < 100 || this.#problems.has(what))
      this.#problems.set(what, (this.#problems.get(what) ?? 0) + 1);
  }

  #tellProblems(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    const count = [...this.#problems.values()].reduce((sum, one) => sum + one, 0);
    this.#problems.clear();
    this.#parts.log.error(
      { count, first: first[0] },
      'not all in the event logs could be taken in',
    );
  }
}
