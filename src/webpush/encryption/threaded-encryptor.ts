import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { errorMessage, InvalidInputError, UnavailableError } from '../../errors.ts';
import type { PushResource } from '../subscriptions/subscription.ts';
import { createInlineEncryptor } from './inline-encryptor.ts';
import type { PushEncryptor } from './push-encryptor.ts';

export interface EncryptionJob {
  plaintext: string;
  keys: PushResource['keys'];
  padding: boolean;
}

export interface EncryptionRequest {
  jobs: readonly EncryptionJob[];
}

export interface EncryptionReply {
  /** The bodies, one behind the other. */
  octets: ArrayBuffer;
  /** For each job in its order: how long its body is, or why there is none. */
  outcomes: (number | { message: string; input: boolean })[];
}

/**
 * So many are encrypted here, as long as the thread has nothing to do: to wake it and be woken costs
 * both threads as much as that.
 */
const FEW = 4;

/** Pushes in one message to the thread: more would keep the first of them waiting for the last. */
const MAX_GROUP = 16;

/** Messages that the thread has: while it works on one, the next is at hand. */
const MAX_UNDER_WAY = 2;

interface Waiting {
  job: EncryptionJob;
  resolve: (body: Buffer) => void;
  reject: (error: Error) => void;
}

/**
 * Encrypts on a thread of its own, in groups, when there is more than a few to do: what comes in while
 * the thread is busy goes to it together. A push costs as much processor time as before and a little
 * more, but mail that is being delivered does not wait for it, and a second core is put to use.
 *
 * The thread does not keep an idle process alive, and is started anew after it died.
 *
 * @param startWorker given by tests
 */
export function createThreadedEncryptor(startWorker = startEncryptionWorker): PushEncryptor {
  let worker: Worker | undefined;
  const queue: Waiting[] = [];
  let underWay: Waiting[][] = [];
  let planned = false;
  const here = createInlineEncryptor();

  function start(): Worker {
    const started = startWorker();
    let fault = 'it ended';
    started.on('message', (reply: EncryptionReply) => {
      settle(underWay.shift() ?? [], reply);
      flush();
    });
    started.on('error', (error) => (fault = errorMessage(error)));
    started.on('exit', () => {
      if (worker !== started) return;
      worker = undefined;
      const lost = underWay.flat();
      underWay = [];
      const error = new UnavailableError(`the thread that encrypts pushes stopped (${fault})`);
      for (const { reject } of lost) reject(error);
      flush();
    });
    return started;
  }

  function flush(): void {
    planned = false;
    if (underWay.length === 0 && queue.length <= FEW) {
      for (const { job, resolve, reject } of queue.splice(0)) {
        here.encrypt(job.plaintext, job.keys, job.padding).then(resolve, reject);
      }
    }
    while (queue.length > 0 && underWay.length < MAX_UNDER_WAY) {
      const group = queue.splice(0, MAX_GROUP);
      underWay.push(group);
      worker ??= start();
      const request: EncryptionRequest = { jobs: group.map(({ job }) => job) };
      worker.postMessage(request);
    }
    // The thread keeps the process alive for as long as someone waits for it, and no longer.
    if (underWay.length === 0) worker?.unref();
    else worker?.ref();
  }

  // It takes a moment to start, for which no push should wait.
  worker = start();
  worker.unref();

  return {
    encrypt: (plaintext, keys, padding) =>
      new Promise((resolve, reject) => {
        queue.push({ job: { plaintext, keys, padding }, resolve, reject });
        if (planned || underWay.length >= MAX_UNDER_WAY) return;
        planned = true;
        // The other pushes that are begun in this turn go with it.
        setImmediate(flush);
      }),
    close: async () => {
      const closing = worker;
      worker = undefined;
      if (closing === undefined) return;
      const exit = once(closing, 'exit');
      await closing.terminate();
      await exit;
    },
  };
}

export function startEncryptionWorker(): Worker {
  // From a checkout this file is .ts, from a build .js, and tsc rewrites imports only.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const url = new URL(`./encryption-worker.${extension}`, import.meta.url);
  // Options of this process, as --input-type, may not suit a file of ours.
  return new Worker(url, { execArgv: [] });
}

function settle(group: readonly Waiting[], { octets, outcomes }: EncryptionReply): void {
  let at = 0;
  for (const [index, { resolve, reject }] of group.entries()) {
    const outcome = outcomes[index];
    if (typeof outcome === 'number') {
      resolve(Buffer.from(octets, at, outcome));
      at += outcome;
    } else if (outcome?.input === true) reject(new InvalidInputError(outcome.message));
    else reject(new Error(outcome?.message ?? 'the thread that encrypts pushes left one out'));
  }
}
