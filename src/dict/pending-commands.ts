import type { Clock } from '../clock.ts';
import { InvalidInputError, SidecarError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { failedReply, type Reply } from './format-reply.ts';
import { ReplyQueue, type Turn } from './reply-queue.ts';

export type DictCommand = 'lookup' | 'iterate' | 'commit';
export type DictResult = 'ok' | 'missing' | 'refused' | 'failed';
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
}

export interface CommandStart {
  command: DictCommand;
  /** For the log. */
  user: string | undefined;
  /** What follows the letter of a reply that says failure: nothing, or a transaction's id and a tab. */
  failureHead?: string;
  /** What stands before that letter: `A` for the reply to a command D. */
  failurePrefix?: string;
}

/** What a command came to. The times are to follow the reply. */
export interface Outcome {
  result: 'ok' | 'missing';
  reply: (times: string) => Reply;
}

interface Pending extends CommandStart, Turn {
  /** Milliseconds, of {@link Clock.monotonic}. */
  since: number;
}

/** Replies that took longer tell when the work began and ended, for Dovecot's warnings. */
const SLOW_MSECS = 100;

/** The commands of one connection that the backend works on: each gets its one reply from here. */
export class PendingCommands {
  readonly #options: PendingCommandsOptions;
  readonly #queue: ReplyQueue;
  readonly #pending = new Set<Pending>();

  constructor(options: PendingCommandsOptions) {
    this.#options = options;
    this.#queue = new ReplyQueue(options.modern, options.send);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Has `work` done, and answers with what came of it; never throws. */
  async run(start: CommandStart, work: () => Promise<Outcome>): Promise<void> {
    const since = this.#options.clock.monotonic();
    const pending: Pending = { ...start, id: 0, ready: undefined, since };
    this.#pending.add(pending);
    this.#queue.enter(pending);
    try {
      const { result, reply } = await work();
      this.#settle(pending, result, reply);
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  /** Answers the commands that the backend has held for too long; to be called now and then. */
  expire(): void {
    const { clock, log, replyMsecs } = this.#options;
    const before = clock.monotonic() - replyMsecs;
    for (const pending of this.#pending) {
      if (pending.since > before) return; // those behind it came later
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
    this.#pending.clear();
  }

  #fail(pending: Pending, error: unknown): void {
    if (!this.#pending.has(pending)) return;
    const { command, user } = pending;
    const refused = error instanceof InvalidInputError;
    if (refused) {
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
    const { clock, observe, modern } = this.#options;
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
