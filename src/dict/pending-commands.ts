import type { Clock } from '../clock.ts';
import { InvalidInputError, SidecarError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { AnnotationLimitError } from '../stores/annotation-limits.ts';
import { failedReply, type Reply } from './format-reply.ts';
import { ReplyQueue, type Turn } from './reply-queue.ts';

export const DICT_COMMANDS = ['lookup', 'iterate', 'commit'] as const;
export type DictCommand = (typeof DICT_COMMANDS)[number];
export const DICT_RESULTS = ['ok', 'missing', 'refused', 'failed'] as const;
export type DictResult = (typeof DICT_RESULTS)[number];
/** Told of each answered command; for metrics. */
export type DictObserver = (command: DictCommand, result: DictResult, msecs: number) => void;

export interface PendingCommandsOptions {
  clock: Clock;
  log: Logger;
  send: (octets: Buffer) => void;
  observe?: DictObserver | undefined;
  /** Protocol 2.1 and later: replies may come in any order and end in times. */
  modern: boolean;
  /** A command unanswered for so long is answered by {@link PendingCommands.expire}. */
  replyMsecs: number;
  /** Resolves when the peer has read most of what was sent; undefined while there is no need to wait. */
  backlog?: (() => Promise<void> | undefined) | undefined;
  /** Counts the unanswered commands of all connections. */
  load: { commands: number };
  /** How many commands that read may be worked on at once. */
  reads: number;
}

export interface CommandStart {
  command: DictCommand;
  /** For the log. */
  user: string | undefined;
  /** What follows the letter of a reply that says failure: nothing, or a transaction's id and a tab. */
  failureHead?: string;
  /** What stands before that letter: `A` for the reply to a command D. */
  failurePrefix?: string;
  /** Called when the work is never begun: nobody waits for it any more. */
  onAbandoned?: () => void;
}

/** What a command came to. The times are to follow the reply. */
export interface Outcome {
  result: 'ok' | 'missing';
  reply: (times: string) => Reply;
}

/**
 * Sends lines of a reply that goes on, and resolves when there is room for more.
 *
 * @throws Abandoned nobody waits for them any more
 */
export type SendPart = (lines: Reply) => Promise<void>;

export type Work = (sendPart: SendPart) => Promise<Outcome>;

class Abandoned extends Error {}

interface Pending extends CommandStart, Turn {
  /** Milliseconds, of {@link Clock.monotonic}. */
  since: number;
  /** When something was last sent; the same. */
  lastSign: number;
}

/** Replies that took longer tell when the work began and ended, for Dovecot's warnings. */
const SLOW_MSECS = 100;

/**
 * The commands of one connection that the backend works on: each gets its one reply from here. They are
 * begun in the order in which they came, without waiting for each other, but for those that read: they
 * have large replies, so only some of them are worked on at once, and none while the peer does not read.
 */
export class PendingCommands {
  readonly #options: PendingCommandsOptions;
  readonly #queue: ReplyQueue;
  readonly #pending = new Set<Pending>();
  /** Not begun yet. */
  #waiting: { pending: Pending; reads: boolean; begin: () => void }[] = [];
  #reads = 0;

  constructor(options: PendingCommandsOptions) {
    this.#options = options;
    this.#queue = new ReplyQueue(options.modern, options.send);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Has `work` done, and answers with what came of it; never throws. */
  run(start: CommandStart, work: Work): void {
    const since = this.#options.clock.monotonic();
    const pending: Pending = { ...start, id: 0, ready: undefined, since, lastSign: since };
    this.#pending.add(pending);
    this.#options.load.commands += 1;
    this.#queue.enter(pending);
    const reads = start.command !== 'commit';
    const begin = (): void => void this.#work(pending, reads, work);
    if (this.#waiting.length > 0 || (reads && this.#reads >= this.#options.reads)) {
      this.#waiting.push({ pending, reads, begin });
    } else begin();
  }

  async #work(pending: Pending, reads: boolean, work: Work): Promise<void> {
    if (reads) this.#reads += 1;
    try {
      if (!this.#pending.has(pending)) {
        pending.onAbandoned?.();
        return;
      }
      const { result, reply } = await work((lines) => this.#sendPart(pending, lines));
      this.#settle(pending, result, reply);
    } catch (error) {
      this.#fail(pending, error);
    } finally {
      if (reads) {
        const backlog = this.#options.backlog?.();
        if (backlog) await backlog;
        this.#reads -= 1;
        this.#beginWaiting();
      }
    }
  }

  #beginWaiting(): void {
    while (this.#waiting.length > 0) {
      if (this.#waiting[0]?.reads === true && this.#reads >= this.#options.reads) return;
      this.#waiting.shift()?.begin();
    }
  }

  async #sendPart(pending: Pending, lines: Reply): Promise<void> {
    if (this.#pending.has(pending)) await this.#queue.part(pending, lines);
    pending.lastSign = this.#options.clock.monotonic();
    await this.#options.backlog?.();
    if (!this.#pending.has(pending)) throw new Abandoned();
    pending.lastSign = this.#options.clock.monotonic();
  }

  /** Answers the commands that the backend has held for too long; to be called now and then. */
  expire(): void {
    const { clock, log, replyMsecs } = this.#options;
    const before = clock.monotonic() - replyMsecs;
    for (const pending of this.#pending) {
      if (pending.since > before) return; // those behind it came later
      if (pending.lastSign > before) continue;
      const { command, user } = pending;
      const error = `no answer within ${replyMsecs / 1_000} s`;
      log.error({ user, command }, `dict: ${error}`);
      this.#settle(
        pending,
        'failed',
        this.#failure(pending, command === 'commit' ? 'W' : 'F', error),
      );
    }
  }

  /** The connection is gone: what is still under way is answered to nobody. */
  close(): void {
    this.#options.load.commands -= this.#pending.size;
    this.#pending.clear();
    for (const { pending } of this.#waiting.splice(0)) pending.onAbandoned?.();
  }

  #fail(pending: Pending, error: unknown): void {
    if (!this.#pending.has(pending)) return;
    const { command, user } = pending;
    const refused = error instanceof InvalidInputError;
    if (error instanceof AnnotationLimitError) {
      // It may be another plugin's key, without which mail cannot be read or written.
      this.#options.log.warn({ user, command, reason: error.message }, 'dict: limit reached');
    } else if (refused) {
      this.#options.log.info({ user, command, reason: error.message }, 'dict: refused');
    } else {
      this.#options.log.error({ err: error, user, command }, 'dict: failed');
    }
    // Anything else may hold what must not leave this process.
    const text = error instanceof SidecarError ? error.message : 'internal error';
    this.#settle(pending, refused ? 'refused' : 'failed', this.#failure(pending, 'F', text));
  }

  #failure({ failureHead = '', failurePrefix = '' }: Pending, letter: string, error: string) {
    return (times: string) => failedReply(`${failurePrefix}${letter}${failureHead}`, error, times);
  }

  #settle(pending: Pending, result: DictResult, reply: (times: string) => Reply): void {
    if (!this.#pending.delete(pending)) return; // expired before, or closed
    const { clock, observe, modern, load } = this.#options;
    load.commands -= 1;
    const msecs = clock.monotonic() - pending.since;
    const told = modern && (result === 'failed' || msecs >= SLOW_MSECS);
    this.#queue.answer(pending, reply(told ? times(clock.now(), msecs) : ''));
    observe?.(pending.command, result, msecs);
  }
}

/** Start and end as Dovecot's server appends them: seconds and microseconds, twice. */
function times(endMsecs: number, tookMsecs: number): string {
  return [endMsecs - tookMsecs, endMsecs]
    .map((msecs) => `\t${Math.floor(msecs / 1_000)}\t${Math.floor((msecs % 1_000) * 1_000)}`)
    .join('');
}
