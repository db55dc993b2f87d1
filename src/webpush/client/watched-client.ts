import { Client, type buildConnector, type Dispatcher } from 'undici';
import type { Connector } from '../guard/guarded-connector.ts';

type Socket = NonNullable<buildConnector.Options['httpSocket']>;

/** Told which client, and so which connection, its request is given to. */
export interface WatchedHandler extends Dispatcher.DispatchHandler {
  onClient(client: WatchedClient): void;
}

/** An undici client, which has one connection at a time, whose answers are watched. */
export class WatchedClient extends Client {
  #watch: AnswerWatch | undefined;

  /** @param options those of undici's Pool, among them the connector */
  constructor(origin: URL, options: Client.Options & { connect: Connector }) {
    super(origin, {
      ...options,
      connect: (target, callback) =>
        options.connect(target, (...[error, socket]) => {
          if (error === null) this.#watch = watchAnswers(socket);
          // The two forms of its arguments are told apart by the first.
          (callback as (...result: [Error | null, Socket | null]) => void)(error, socket);
        }),
    });
  }

  /** Of the connection that there is. */
  get watch(): AnswerWatch | undefined {
    return this.#watch;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: WatchedHandler): boolean {
    handler.onClient(this);
    return super.dispatch(options, handler);
  }
}

/**
 * Reads a connection's answers before undici does, for what undici does not tell.
 *
 * Undici takes an unexpected `100 Continue` for the end of the connection, and `101` too, although a
 * client must be able to parse any 1xx, and may ignore it (RFC 9110 section 15.2): they are taken out
 * of what it reads. And it gives up on an answer as a whole for anything wrong with its header, when
 * the status line has long said what became of the push.
 */
export class AnswerWatch {
  #state: 'start' | 'interim' | 'through' = 'start';
  /** A status line's beginning, when it came in pieces. */
  #held: Buffer = NOTHING;
  /** Octets of an interim response's line, without its end. */
  #lineOctets = 0;
  #requests = 0;
  #began = false;
  #onStatus: ((status: number) => void) | undefined;

  /**
   * A request goes out.
   *
   * @param onStatus told of the status line of its final answer, as soon as that is there
   */
  begin(onStatus: (status: number) => void): void {
    this.#requests += 1;
    this.#state = 'start';
    this.#held = NOTHING;
    this.#began = false;
    this.#onStatus = onStatus;
  }

  /**
   * Whether the connection had answered before and now nothing of an answer came: the far end, most
   * probably, had closed it before it saw the request (RFC 9112 section 9.3.1).
   */
  get wasIdle(): boolean {
    return this.#requests > 1 && !this.#began;
  }

  /** @returns what undici is to read of it */
  filter(chunk: Buffer): Buffer {
    this.#began = true;
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    let at = 0;
    while (this.#state !== 'through' && at < data.length) {
      at = this.#state === 'start' ? this.#readStart(data, at) : this.#skipInterim(data, at);
    }
    return data.subarray(at);
  }

  #readStart(data: Buffer, at: number): number {
    if (data[at] === CR || data[at] === LF) return at + 1; // RFC 9112 section 2.2
    const start = data.toString('latin1', at, at + STATUS_OCTETS);
    const code = /^HTTP\/\d(?:\.\d)? ([1-9]\d\d)[ \r\n]/.exec(start)?.[1];
    if (code?.startsWith('1')) {
      this.#state = 'interim';
      this.#lineOctets = 0;
      return at;
    }
    if (code === undefined && start.length < STATUS_OCTETS && !start.includes('\n')) {
      this.#held = data.subarray(at);
      return data.length;
    }
    this.#state = 'through';
    if (code !== undefined) this.#onStatus?.(Number(code));
    return at;
  }

  /** An interim response ends with its header (RFC 9112 section 6.3). */
  #skipInterim(data: Buffer, from: number): number {
    for (let at = from; at < data.length; at += 1) {
      if (data[at] === LF) {
        if (this.#lineOctets === 0) {
          this.#state = 'start';
          return at + 1;
        }
        this.#lineOctets = 0;
      } else if (data[at] !== CR) {
        this.#lineOctets += 1;
      }
    }
    return data.length;
  }
}

/** `HTTP/1.1 201` and what is behind it. */
const STATUS_OCTETS = 13;
const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Undici reads with `read()`, whenever the socket is readable (client-h1.js, `Parser.readMore`). */
function watchAnswers(socket: Socket): AnswerWatch {
  const watch = new AnswerWatch();
  const read = socket.read.bind(socket) as (octets?: number) => Buffer | null;
  socket.read = (octets?: number): Buffer | null => {
    for (;;) {
      const chunk = read(octets);
      const passed = chunk === null ? null : watch.filter(chunk);
      if (passed === null || passed.length > 0) return passed;
    }
  };
  return watch;
}
