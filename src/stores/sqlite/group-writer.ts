import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { UnavailableError, errorMessage } from '../../errors.ts';
import { fromPortableError } from './portable-error.ts';
import type {
  Opening,
  PortableError,
  PortableOutcome,
  ReplacedFile,
  WriterReply,
  WriterRequest,
  WriterSetup,
} from './writer-messages.ts';

export interface RunOptions {
  /** How much the job carries, for {@link MAX_GROUP_OCTETS}. */
  octets?: number;
  /**
   * Goes to the thread in the same moment, unless others wait already: for jobs that cost no fsync, and
   * of which a kill in the next moment should find nothing left.
   */
  atOnce?: boolean;
}

/** One message to the thread holds at most this much: a group must not outgrow memory or patience. */
const MAX_GROUP_JOBS = 128;
const MAX_GROUP_OCTETS = 8 * 1024 * 1024;
/** How many waiting jobs are worth a second group in the thread. */
const WORTHWHILE_JOBS = 64;
/** How many groups of jobs that go at once the thread may have before it. */
const GROUPS_AHEAD = 4;

const NO_OUTCOME: PortableError = { kind: 'fault', message: 'The writer left a job out.' };

/**
 * Writes to one database on one thread of its own, because fsync blocks its thread.
 *
 * Jobs go out in groups: while the thread is busy with one group, the next one gathers, and each
 * group costs one fsync. Jobs run in the order in which they came.
 */
export class GroupWriter<Job, Result> {
  #setup: WriterSetup;
  readonly #onReplaced: (replaced: ReplacedFile) => void;
  readonly #opened = Promise.withResolvers<Opening>();
  #worker: Worker | undefined;
  #queue: Waiting[] = [];
  readonly #inFlight: Waiting[][] = [];
  #scheduled = false;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  private constructor(setup: WriterSetup, onReplaced: (replaced: ReplacedFile) => void) {
    this.#setup = setup;
    this.#onReplaced = onReplaced;
  }

  /**
   * @param onReplaced told when a damaged file was replaced: then, and once more when what could be read
   *   of it is in the new one
   * @returns the writer, and what it found
   * @throws UnavailableError the database cannot be opened, and will not be later; the message says why
   *   and what to do
   */
  static async open<Job, Result>(
    setup: WriterSetup,
    onReplaced: (replaced: ReplacedFile) => void = () => undefined,
  ): Promise<{ writer: GroupWriter<Job, Result>; opening: Opening }> {
    const writer = new GroupWriter<Job, Result>(setup, onReplaced);
    const worker = writer.#start();
    // Asked for before the message: the two may come in one go.
    const exit = once(worker, 'exit').catch(() => undefined);
    try {
      const opening = await writer.#opened.promise;
      worker.unref();
      return { writer, opening };
    } catch (error) {
      await exit;
      throw error;
    }
  }

  /**
   * Resolves once the job is committed.
   *
   * @throws UnavailableError it was not, or the thread died underway and nobody knows
   */
  run(job: Job, { octets = 0, atOnce = false }: RunOptions = {}): Promise<Result> {
    if (this.#closing !== undefined)
      return Promise.reject(new UnavailableError(`${this.#setup.path} is closed.`));
    return new Promise<unknown>((resolve, reject) => {
      this.#queue.push({ job, octets, atOnce, resolve, reject });
      if (this.#mayGoAtOnce()) this.#flush();
      else this.#flushSoon();
    }) as Promise<Result>;
  }

  /** Waits for all jobs, and leaves the file closed. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    if (this.#queue.length + this.#inFlight.length > 0) {
      await new Promise<void>((resolve) => (this.#onIdle = resolve));
    }
    const worker = this.#worker;
    if (worker === undefined) return;
    const exit = once(worker, 'exit');
    worker.ref();
    this.#post(worker, 'close');
    await exit;
  }

  /**
   * Not at once: callers that are about to be called back in this turn of the event loop (several
   * sockets, or all that waited for the last group) get onto the same group.
   */
  #flushSoon(): void {
    if (this.#scheduled || !this.#mayFlush()) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Under load a second group waits in the thread, so that neither side waits for the other. */
  #mayFlush(): boolean {
    if (this.#inFlight.length === 0) return this.#queue.length > 0;
    return this.#inFlight.length === 1 && this.#queue.length >= WORTHWHILE_JOBS;
  }

  /** Does not overtake: nothing else waits, nor is about to go. */
  #mayGoAtOnce(): boolean {
    const clear = !this.#scheduled && this.#inFlight.length < GROUPS_AHEAD;
    return clear && this.#queue.every(({ atOnce }) => atOnce);
  }

  #flush(): void {
    this.#scheduled = false;
    const group = this.#takeGroup();
    this.#inFlight.push(group);
    if (this.#queue.length > 0) this.#flushSoon();
    const jobs = group.map(({ job }) => job);
    try {
      const worker = this.#worker ?? this.#start();
      worker.ref();
      this.#post(worker, { jobs });
    } catch (error) {
      // Something in a job cannot be copied to the thread: nothing of the group has gone out.
      this.#inFlight.pop();
      for (const { reject } of group) reject(error as Error);
      this.#next();
    }
  }

  #takeGroup(): Waiting[] {
    let octets = 0;
    const end = this.#queue.findIndex((waiting, index) => {
      octets += waiting.octets;
      return index === MAX_GROUP_JOBS || (index > 0 && octets > MAX_GROUP_OCTETS);
    });
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end);
  }

  #post(worker: Worker, request: WriterRequest): void {
    worker.postMessage(request);
  }

  #start(): Worker {
    // From a checkout this file is .ts, from a build .js, and tsc rewrites imports only.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./writer-worker.${extension}`, import.meta.url), {
      workerData: this.#setup,
      // Options of this process, as --input-type, may not suit a file of ours.
      execArgv: [],
    });
    let fault = 'it ended';
    worker.on('message', (reply: WriterReply) => {
      if ('outcomes' in reply) this.#answer(reply.outcomes);
      else if ('ready' in reply) this.#opened.resolve(reply.ready);
      else if ('replaced' in reply) {
        this.#setup = { ...this.#setup, inode: reply.replaced.inode };
        this.#onReplaced(reply.replaced);
      } else this.#fail(worker, fromPortableError(reply.refused));
    });
    worker.on('error', (error) => (fault = errorMessage(error)));
    worker.on('exit', () => {
      const message = `The writer of ${this.#setup.path} stopped (${fault}); the change may be lost.`;
      this.#fail(worker, new UnavailableError(message));
    });
    this.#worker = worker;
    return worker;
  }

  #answer(outcomes: readonly PortableOutcome[]): void {
    for (const [index, { resolve, reject }] of (this.#inFlight.shift() ?? []).entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined && 'value' in outcome) resolve(outcome.value);
      else reject(fromPortableError(outcome?.error ?? NO_OUTCOME));
    }
    this.#next();
  }

  /** The thread is gone, and with it all that was in flight; the next group starts another. */
  #fail(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#opened.reject(error);
    for (const { reject } of this.#inFlight.splice(0).flat()) reject(error);
    this.#next();
  }

  #next(): void {
    // The thread keeps the process alive for as long as someone waits for it, and no longer.
    if (this.#inFlight.length === 0) this.#worker?.unref();
    if (this.#queue.length + this.#inFlight.length === 0) this.#onIdle?.();
    else this.#flushSoon();
  }
}

interface Waiting {
  job: unknown;
  octets: number;
  atOnce: boolean;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}
