import { DictClientModel, type ModelReply } from '../dict/dict-client-model.ts';
import { OpenConnection } from './exchange.ts';
import { Finding } from './finding.ts';

const REPLY_MSECS = 40_000;

/**
 * A connection of Dovecot 2.4's dict client, whose replies are read by the model of that client. One
 * command at a time; what is sent is cut anywhere. Lines are the latin1 form of their octets.
 */
export class DictConnection {
  readonly #connection: OpenConnection;
  #model = new DictClientModel();
  #problem: unknown;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    const onData = (chunk: Buffer): void => {
      try {
        this.#model.receive(chunk);
      } catch (error) {
        this.#problem = error;
      }
      if (this.#model.unanswered.length === 0 || this.#problem !== undefined) this.#wake?.();
    };
    this.#connection = new OpenConnection({ path }, onData, () => this.#wake?.());
    this.#connection.socket.write('H4\t0\t0\t\tcoi\n');
  }

  send(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return Promise.resolve();
    return this.#connection.write(Buffer.from(`${lines.join('\n')}\n`, 'latin1'));
  }

  /** @returns undefined when the connection ended before */
  async command(line: string, iterates: boolean): Promise<ModelReply | undefined> {
    this.#model.sent(line, iterates);
    const answered = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (!this.#connection.closed) {
      await this.send([line]);
      const timer = setTimeout(() => {
        this.#problem = new Finding('no answer', `dict: ${line.slice(0, 200)}`);
        this.#wake?.();
      }, REPLY_MSECS);
      await answered;
      clearTimeout(timer);
    }
    if (this.#problem instanceof Finding) throw this.#problem;
    if (this.#problem !== undefined)
      throw new Finding('dict reply', (this.#problem as Error).message);
    const reply = this.#model.replies.get(line);
    this.#model.replies.clear();
    return reply;
  }

  end(): void {
    this.#connection.end();
  }
}
