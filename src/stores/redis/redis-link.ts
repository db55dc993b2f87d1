import { createClient, ErrorReply, RESP_TYPES, type RedisArgument } from 'redis';
import { UnavailableError, errorMessage } from '../../errors.ts';
import { checkHost, UntrustedPeerError } from '../../peer/check-peer.ts';
import { trustedUids } from '../../peer/trusted-users.ts';
import { DamagedError } from '../damaged-error.ts';
import { withDeadline } from '../with-deadline.ts';

type Client = ReturnType<typeof createRedisClient>;

export interface RedisScript {
  source: string;
  /** SHA-1 of the source, in hexadecimal. */
  digest: string;
}

export interface RedisLinkOptions {
  /** How long a command may take, the wait for a lost connection included, in milliseconds. */
  deadlineMsecs: number;
  /** Users, besides root's and this process's own, that may have a Redis on this host. */
  trustedUsers: readonly string[];
  /** Told of a lost connection, once, and of its return. */
  onDown?: (reason: string) => void;
  onUp?: () => void;
}

/**
 * A connection that comes back by itself, and commands that never hang: the client package would
 * wait for a connection, and for a reply, as long as it takes.
 *
 * A command is never sent twice. One that ran into its deadline or lost its connection underway may
 * have been carried out all the same.
 */
export class RedisLink {
  readonly #url: string;
  readonly #options: RedisLinkOptions;
  readonly #pending = new Set<Promise<unknown>>();
  #client: Client;
  #connected = Promise.withResolvers<undefined>();
  #downSince: number | undefined = performance.now();
  #upSince = 0;
  #lastError = 'no connection yet';
  #lastReply = -Infinity;
  #closed = false;

  constructor(url: string, options: RedisLinkOptions) {
    this.#url = url;
    this.#options = options;
    this.#client = this.#connect();
  }

  /**
   * The reply to one command, with octets as Buffers.
   *
   * @throws UnavailableError Redis does not answer, or refuses
   */
  send(args: RedisArgument[]): Promise<unknown> {
    return this.#track(() => this.#send(args));
  }

  /** The reply of a Lua script, which travels only if the server does not have it yet. */
  runScript(script: RedisScript, args: RedisArgument[]): Promise<unknown> {
    return this.#track(async () => {
      try {
        return await this.#send(['EVALSHA', script.digest, ...args]);
      } catch (error) {
        const cause = error instanceof UnavailableError ? error.cause : undefined;
        if (!(cause instanceof ErrorReply && cause.message.startsWith('NOSCRIPT'))) throw error;
        return this.#send(['EVAL', script.source, ...args]);
      }
    });
  }

  /** Waits for the replies that are due, at most until their deadlines. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending);
    this.#client.destroy();
  }

  #track(work: () => Promise<unknown>): Promise<unknown> {
    if (this.#closed)
      return Promise.reject(new UnavailableError('The connection to Redis is closed.'));
    const reply = work().finally(() => this.#pending.delete(reply));
    this.#pending.add(reply);
    return reply;
  }

  async #send(args: RedisArgument[]): Promise<unknown> {
    const start = performance.now();
    const deadline = start + this.#options.deadlineMsecs;
    await this.#waitForConnection();
    const client = this.#client;
    try {
      const reply = client
        .sendCommand(args, { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } })
        .finally(() => (this.#lastReply = performance.now()));
      return await withDeadline(reply, deadline - performance.now(), NO_ANSWER);
    } catch (error) {
      if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE'))
        throw new DamagedError('Somebody put something else under a key of ours in Redis.', {
          cause: error,
        });
      if (error instanceof ErrorReply) {
        const [, advice = ''] = ADVICE.find(([code]) => error.message.startsWith(code)) ?? [];
        // After a failover the address may lead to another server; at most once in a while.
        if (
          advice === NO_REPLICA &&
          performance.now() - this.#upSince > this.#options.deadlineMsecs
        )
          this.#replace(client, 'it has become a replica');
        throw new UnavailableError(`Redis refuses: ${error.message}${advice}`, { cause: error });
      }
      // A silent connection may be dead without anyone having said so: start over on a new one. One that
      // has answered others meanwhile is slow, and would be slower with all of them anew.
      if (error instanceof UnavailableError && this.#lastReply < start)
        this.#replace(client, NO_ANSWER);
      throw new UnavailableError(`Redis is not available: ${describe(error)}`, { cause: error });
    }
  }

  /**
   * The package's own queue is not used: it sends what waits right behind AUTH and SELECT, whether or
   * not those succeed.
   */
  async #waitForConnection(): Promise<void> {
    if (this.#downSince === undefined) return;
    // Who comes when Redis has been away for long does not wait for it any more.
    const patience = this.#downSince + this.#options.deadlineMsecs - performance.now();
    await withDeadline(this.#connected.promise, Math.max(0, patience), '').catch(() => {
      throw new UnavailableError(`Redis is not available: ${this.#lastError}`);
    });
  }

  #connect(): Client {
    const client = createRedisClient(this.#url, this.#options);
    // The package gives a connection that was accepted as long as it takes to greet us.
    let greeting: NodeJS.Timeout | undefined;
    client.on('connect', () => {
      // One that was given up while it was connecting connects all the same.
      if (this.#closed || this.#client !== client) client.destroy();
      else
        greeting = setTimeout(() => this.#replace(client, NO_ANSWER), this.#options.deadlineMsecs);
    });
    for (const event of ['ready', 'error', 'end']) client.on(event, () => clearTimeout(greeting));
    client.on('ready', () => {
      if (this.#client === client) this.#up();
    });
    client.on('error', (error: unknown) => {
      if (this.#client === client) this.#down(describe(error));
    });
    // Rejects when the client is destroyed while it connects; what goes wrong arrives as an event.
    client.connect().catch(() => undefined);
    return client;
  }

  #replace(old: Client, reason: string): void {
    if (this.#client !== old) return;
    this.#down(reason);
    if (!this.#closed) this.#client = this.#connect();
    old.destroy();
  }

  #up(): void {
    this.#downSince = undefined;
    this.#upSince = performance.now();
    this.#connected.resolve(undefined);
    this.#options.onUp?.();
  }

  #down(reason: string): void {
    this.#lastError = reason;
    if (this.#downSince !== undefined) return;
    this.#downSince = performance.now();
    this.#connected = Promise.withResolvers<undefined>();
    this.#options.onDown?.(reason);
  }
}

const NO_ANSWER = 'it does not answer';
const NO_REPLICA = ' (store.url has to lead to the server that takes writes, not to a replica)';

/** What to do about a refusal that does not say it by itself. */
const ADVICE = [
  ['OOM', ' (give Redis more memory: "maxmemory")'],
  ['READONLY', NO_REPLICA],
  ['NOPERM', ' (the user in store.url needs +@all on ~coi:*)'],
] as const;

/** The errors of `node:net` and of the package do not all have a message. */
function describe(error: unknown): string {
  if (error instanceof UntrustedPeerError)
    return `${error.message}. If it is Redis, name its user in store.trusted_users`;
  if (error instanceof AggregateError) return error.errors.map(errorMessage).join(', ');
  return errorMessage(error) || String(error);
}

/** RESP 2 does for all that is asked here, and older servers speak it too. */
const createRedisClient = (url: string, { deadlineMsecs, trustedUsers }: RedisLinkOptions) => {
  const place = new URL(url);
  const { protocol, hostname, port, username, password } = place;
  // The package would prefer those in the URL.
  place.username = place.password = '';
  /** Asked for on each new connection, before anything is sent; behind rediss: the certificate says it. */
  const credentials = async (): Promise<{ username?: string; password?: string }> => {
    if (protocol === 'redis:') {
      const host = hostname.replaceAll(/[[\]]/g, '');
      await checkHost(host, Number(port || DEFAULT_PORT), await trustedUids(trustedUsers));
    }
    return {
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
    };
  };
  return createClient({
    url: place.href,
    credentialsProvider: { type: 'async-credentials-provider', credentials },
    RESP: 2,
    name: 'coi-sidecar',
    disableOfflineQueue: true,
    socket: {
      connectTimeout: deadlineMsecs,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1000) * (0.5 + Math.random() / 2),
    },
  });
};

const DEFAULT_PORT = 6379;
