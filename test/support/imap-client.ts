import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface ImapResult {
  status: 'OK' | 'NO' | 'BAD';
  /** What stands behind the status, response code included. */
  text: string;
  /** Untagged responses without `* `; literals stand in them as they came, `{3}\r\nyes`. */
  untagged: string[];
}

/**
 * A bare IMAP client for what a library hides: the exact responses, GETMETADATA, IDLE. One command
 * at a time.
 */
export class ImapClient {
  greeting = '';
  readonly #socket: Socket;
  readonly #responses: string[] = [];
  #pending: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #ended = false;
  #tag = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Connects and reads the greeting; logs in if a user is given. */
  static async open(
    address: { host: string; port: number },
    login?: { user: string; password: string },
  ): Promise<ImapClient> {
    const socket = connect(address);
    await once(socket, 'connect');
    const client = new ImapClient(socket);
    client.greeting = (await client.#next(10_000)) ?? '';
    if (login !== undefined) await client.ok(`LOGIN ${quote(login.user)} ${quote(login.password)}`);
    return client;
  }

  /**
   * Sends a command and waits for its tagged response. Arguments behind the text are appended:
   * strings as literals, so that they may hold anything.
   */
  async command(text: string, ...literals: (string | Buffer)[]): Promise<ImapResult> {
    const tag = this.#send(text, literals);
    const untagged: string[] = [];
    for (;;) {
      const response = await this.#next(15_000);
      if (response === null) throw new Error(`IMAP: no tagged response to ${text}`);
      if (response.startsWith('* ')) untagged.push(response.slice(2));
      const tagged = /^(\S+) (OK|NO|BAD) ?([^]*)$/.exec(response);
      if (tagged?.[1] === tag) {
        return { status: tagged[2] as ImapResult['status'], text: tagged[3] ?? '', untagged };
      }
    }
  }

  /** A command that must succeed. */
  async ok(text: string, ...literals: (string | Buffer)[]): Promise<ImapResult> {
    const result = await this.command(text, ...literals);
    if (result.status !== 'OK') throw new Error(`IMAP: ${text}: ${result.status} ${result.text}`);
    return result;
  }

  /** Enters IDLE; the function leaves it and gives what came in between, after waiting `ms`. */
  async idle(): Promise<(ms: number) => Promise<string[]>> {
    const tag = this.#send('IDLE', []);
    const first = await this.#next(5_000);
    if (first?.startsWith('+') !== true) throw new Error(`IMAP: IDLE: ${first ?? 'no answer'}`);
    return async (ms) => {
      const seen: string[] = [];
      const end = performance.now() + ms;
      for (;;) {
        const left = end - performance.now();
        const response = left > 0 ? await this.#next(left) : null;
        if (response === null) break;
        seen.push(response.replace(/^\* /, ''));
      }
      this.#socket.write('DONE\r\n');
      for (;;) {
        const response = await this.#next(5_000);
        if (response === null) throw new Error('IMAP: no end of IDLE');
        if (response.startsWith(tag)) return seen;
        seen.push(response.replace(/^\* /, ''));
      }
    };
  }

  /** Entries with their values; null where the server said NIL. */
  async getMetadata(
    mailbox: string,
    entries: readonly string[],
    depth?: '0' | '1' | 'infinity',
  ): Promise<Map<string, string | null>> {
    const options = depth === undefined ? '' : `(DEPTH ${depth}) `;
    const { untagged } = await this.ok(
      `GETMETADATA ${options}${quote(mailbox)} (${entries.map(quote).join(' ')})`,
    );
    const found = new Map<string, string | null>();
    for (const response of untagged.filter((line) => line.startsWith('METADATA '))) {
      for (const [entry, value] of parseMetadata(response)) found.set(entry, value);
    }
    return found;
  }

  /** null deletes an entry. */
  async setMetadata(mailbox: string, entry: string, value: string | null): Promise<ImapResult> {
    const text = value === null ? 'NIL' : `{${Buffer.byteLength(value)}+}\r\n${value}`;
    return this.command(`SETMETADATA ${quote(mailbox)} (${quote(entry)} ${text})`);
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#socket.end(`z LOGOUT\r\n`);
    await Promise.race([once(this.#socket, 'close'), new Promise((r) => setTimeout(r, 500))]);
    this.#socket.destroy();
  }

  #send(text: string, literals: readonly (string | Buffer)[]): string {
    const tag = `a${++this.#tag}`;
    const parts: Buffer[] = [Buffer.from(`${tag} ${text}`)];
    for (const literal of literals) {
      const octets = Buffer.from(literal);
      parts.push(Buffer.from(` {${octets.length}+}\r\n`), octets);
    }
    parts.push(Buffer.from('\r\n'));
    this.#socket.write(Buffer.concat(parts));
    return tag;
  }

  /** The next response, or null when none came in time. */
  async #next(timeoutMsecs: number): Promise<string | null> {
    if (this.#responses.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMsecs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.#responses.shift() ?? null;
  }

  #take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const end = endOfResponse(this.#pending);
      if (end < 0) return;
      this.#responses.push(this.#pending.subarray(0, end - 2).toString('utf8'));
      this.#pending = this.#pending.subarray(end);
      this.#wake?.();
    }
  }
}

/** Octets of the first complete response, its CRLF and its literals included; -1: not yet there. */
export function endOfResponse(octets: Buffer): number {
  let from = 0;
  for (;;) {
    const end = octets.indexOf('\r\n', from);
    if (end < 0) return -1;
    const literal = /\{(\d+)\}$/.exec(octets.subarray(from, end).toString('latin1'));
    if (literal === null) return end + 2;
    from = end + 2 + Number(literal[1]);
    if (from > octets.length) return -1;
  }
}

/** `METADATA "" (/private/a {3}\r\nyes /private/b NIL)` → entries and values (RFC 5464). */
export function parseMetadata(response: string): [entry: string, value: string | null][] {
  const values: (string | null)[] = [];
  let rest = Buffer.from(response.slice('METADATA '.length), 'utf8');
  while (rest.length > 0) {
    const text = rest.toString('latin1');
    const literal = /^~?\{(\d+)\}\r\n/.exec(text);
    const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text);
    const atom = /^[^\s()"]+/.exec(text);
    let length = 1;
    if (literal !== null) {
      length = literal[0].length + Number(literal[1]);
      values.push(rest.subarray(literal[0].length, length).toString('utf8'));
    } else if (quoted !== null) {
      length = quoted[0].length;
      values.push(
        Buffer.from(quoted[1] ?? '', 'latin1')
          .toString('utf8')
          .replaceAll(/\\(.)/g, '$1'),
      );
    } else if (atom !== null) {
      length = atom[0].length;
      values.push(atom[0] === 'NIL' ? null : atom[0]);
    }
    rest = rest.subarray(length);
  }
  const pairs: [string, string | null][] = [];
  for (let i = 1; i + 1 < values.length; i += 2)
    pairs.push([values[i] ?? '', values[i + 1] ?? null]);
  return pairs;
}

const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
