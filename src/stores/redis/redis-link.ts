import { createClient, ErrorReply, RESP_TYPES, type RedisArgument } from 'redis';
import { UnavailableError, errorMessage } from '../../errors.ts';
import { withDeadline } from '../with-deadline.ts';

type Client = ReturnType<typeof createRedisClient>;

/** An answer of Redis that is an error: the command was understood and refused. */
export const isRefusal = (error: unknown): error is Error => error instanceof ErrorReply;

export interface RedisLinkOptions {
  /** How long a command may take, the wait for a lost connection included, in milliseconds. */
  deadlineMsecs: number;
  /** Told of a lost connection, once, and of its return. */
  onDown?: (reason: string) => void;
  onUp?: () => void;
}

/**
 * A connection that comes back by itself and commands that never hang: the client package would wait
 * for a reply, or for a connection, as long as it takes.
 */
export class RedisLink {
  readonly #url: string;
  readonly #options: RedisLinkOptions;
  #client: Client;
  #downSince: number | undefined = performance.now();
  #lastError = 'not connected';
  readonly #pending = new Set<Promise<unknown>>();
  #closed = false;

  constructor(url: string, options: RedisLinkOptions) {
    this.#url = url;
    this.#options = options;
    this.#client = this.#connect();
  }

  /**
   * The reply to one command, with octets as Buffers. It is never sent twice; one that ran into the
   * deadline or lost its connection underway may have been carried out all the same.
   *
   * @throws UnavailableError Redis does not answer
   * @throws ErrorReply Redis refused
   */
  send(args: RedisArgument[]): Promise<unknown> {
    if (this.#closed)
      return Promise.reject(new UnavailableError('The connection to Redis is closed.'));
    const reply = this.#send(args).finally(() => this.#pending.delete(reply));
    this.#pending.add(reply);
    return reply;
  }

  /** Waits for the replies that are due, at most until their deadlines. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending);
    this.#client.destroy();
  }

  async #send(args: RedisArgument[]): Promise<unknown> {
    const { deadlineMsecs } = this.#options;
    // Who comes while Redis has been away for long does not wait for it any more.
    const away = this.#downSince === undefined ? 0 : performance.now() - this.#downSince;
    if (away > deadlineMsecs) throw this.#unavailable(this.#lastError);
    const client = this.#client;
    const timeout = new UnavailableError(`Redis did not answer within ${deadlineMsecs} ms.`);
    try {
      const reply = client.sendCommand(args, {
        // Takes the command out of the queue if it could not be sent by then.
        timeout: deadlineMsecs,
        typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer },
      });
      return await withDeadline(reply, deadlineMsecs, timeout.message);
    } catch (error) {
      if (isRefusal(error)) throw error;
      // A silent connection may be dead (no reset ever came): start over on a new one.
      if (error instanceof UnavailableError && client.isReady) this.#replace(client);
      throw this.#unavailable(errorMessage(error));
    }
  }

  #connect(): Client {
    const client = createRedisClient(this.#url, this.#options.deadlineMsecs);
    client.on('ready', () => {
      if (this.#client === client) this.#up();
    });
    client.on('error', (error: unknown) => {
      if (this.#client === client) this.#down(errorMessage(error));
    });
    // Rejects when the client is destroyed while connecting; errors arrive as events.
    client.connect().catch(() => undefined);
    return client;
  }

  #replace(silent: Client): void {
    if (this.#client !== silent || this.#closed) return;
    this.#down('no answer');
    this.#client = this.#connect();
    silent.destroy();
  }

  #up(): void {
    this.#downSince = undefined;
    this.#options.onUp?.();
  }

  #down(reason: string): void {
    this.#lastError = reason;
    if (this.#downSince !== undefined) return;
    this.#downSince = performance.now();
    this.#options.onDown?.(reason);
  }

  #unavailable(reason: string): UnavailableError {
    return new UnavailableError(`Redis is not available: ${reason}`);
  }
}

/** RESP 2 does for all that is asked here, and older servers speak it too. */
const createRedisClient = (url: string, connectTimeout: number) =>
  createClient({
    url,
    RESP: 2,
    name: 'coi-sidecar',
    socket: {
      connectTimeout,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1000) * (0.5 + Math.random() / 2),
    },
  });
