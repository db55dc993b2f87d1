import { tabUnescape } from '../dovecot/tab-escaping.ts';
import { LineReader } from '../socket/line-reader.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import type { ScriptRequest } from './script-handler.ts';
import { ScriptProtocolError } from './script-protocol-error.ts';

export interface ScriptReaderOptions {
  maxMessageOctets?: number | undefined;
}

/** 4 since Dovecot 2.2.25; 3, of Pigeonhole 0.4, differs in having no environment. */
const VERSION_LINE = /^VERSION\tscript\t[34]\t\d+$/;

/**
 * Reads one request of Dovecot's script protocol (src/util/script.c, and the client in
 * src/lib-program-client/program-client-remote.c): octets in, a request out.
 *
 *     VERSION\tscript\t4\t0
 *     env_USER=anna@example.org      any number, escaped
 *     -                              or noreply
 *     argument                       any number, escaped; an empty one would end the header
 *
 *     the message, until the client shuts down its writing side
 *
 * Other programs of Dovecot send `alarm=<seconds>` behind the version; it limits a child process and
 * means nothing here.
 */
export class ScriptRequestReader {
  readonly #lines: LineReader;
  readonly #messageLimit: number;
  readonly #env = new Map<string, string>();
  readonly #args: string[] = [];
  #state: 'version' | 'environment' | 'arguments' | 'message' = 'version';
  #headerOctets = 0;
  #wantsStatus = true;
  #message: Buffer[] = [];
  #messageOctets = 0;

  constructor({ maxMessageOctets }: ScriptReaderOptions = {}) {
    this.#messageLimit = maxMessageOctets ?? SOCKET_LIMITS.scriptMessageOctets;
    this.#lines = new LineReader({
      maxOctets: () => SOCKET_LIMITS.scriptHeaderOctets,
      onLine: (line) => this.#take(line),
      onTooLong: () => this.#refuseHeader(),
    });
  }

  /** Whether any octet came; a peer that only connects is no cause for complaint. */
  get begun(): boolean {
    return this.#state !== 'version' || this.#lines.midLine;
  }

  /** Whether the reply is to end in a status; not so after `noreply`. */
  get wantsStatus(): boolean {
    return this.#wantsStatus;
  }

  /**
   * @returns how many octets more it keeps
   * @throws ScriptProtocolError what came is not the script protocol
   */
  push(chunk: Buffer): number {
    const rest = this.#state === 'message' ? chunk : this.#lines.push(chunk);
    const header = chunk.length - rest.length;
    if (rest.length === 0) return header;
    const room = this.#messageLimit - this.#messageOctets;
    if (room > 0) this.#message.push(rest.subarray(0, room));
    this.#messageOctets += rest.length;
    return header + Math.max(0, Math.min(room, rest.length));
  }

  /**
   * The request, once the client has sent all of it.
   *
   * @throws ScriptProtocolError the header was not complete
   */
  end(): ScriptRequest {
    if (this.#state !== 'message') throw new ScriptProtocolError('ended within the header');
    const message = Buffer.concat(this.#message);
    this.#message = [];
    return { env: this.#env, args: this.#args, message };
  }

  /** Lets go of what came so far: nobody will ask for it. */
  discard(): void {
    this.#message = [];
    this.#messageOctets = this.#messageLimit;
  }

  #take(line: Buffer): void {
    this.#headerOctets += line.length + 1;
    if (this.#headerOctets > SOCKET_LIMITS.scriptHeaderOctets) this.#refuseHeader();
    switch (this.#state) {
      case 'version':
        if (!VERSION_LINE.test(line.toString('latin1'))) {
          throw new ScriptProtocolError('no version line of script protocol 3 or 4 at first');
        }
        this.#state = 'environment';
        return;
      case 'environment':
        this.#takeOption(line);
        return;
      case 'arguments':
        if (line.length > 0) {
          this.#args.push(tabUnescape(line).toString('utf8'));
        } else {
          this.#state = 'message';
          this.#lines.stop();
        }
        return;
      case 'message':
        return; // the reader was stopped
    }
  }

  #takeOption(line: Buffer): void {
    const option = tabUnescape(line).toString('utf8');
    if (option.startsWith('env_')) {
      const [, name, value] = /^env_([^=]*)=(.*)$/s.exec(option) ?? [];
      if (!name || value === undefined) throw new ScriptProtocolError('an env_ line without NAME=');
      this.#env.set(name, value);
    } else if (!option.startsWith('alarm=')) {
      // Anything else stands for "with a reply", but an empty line cannot be.
      if (option === '') throw new ScriptProtocolError('neither "-" nor "noreply"');
      this.#wantsStatus = option !== 'noreply';
      this.#state = 'arguments';
    }
  }

  #refuseHeader(): never {
    throw new ScriptProtocolError(
      `a header longer than ${SOCKET_LIMITS.scriptHeaderOctets} octets`,
    );
  }
}

/**
 * What the client hides from the output's end and takes for the exit status: the last two octets
 * before the connection closes, whatever stands before them.
 */
export const SCRIPT_STATUS = {
  success: Buffer.from('+\n', 'latin1'),
  failure: Buffer.from('-\n', 'latin1'),
} as const;
