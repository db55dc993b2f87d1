import type { Reply } from './format-reply.ts';

/** A command that waits for its reply. */
export interface Turn {
  /** Which id the client knows the command by; zero for none. */
  id: number;
  /** A reply that is complete and must wait for those before it. */
  ready: Buffer | undefined;
  /** Called once, when all commands before it are answered. */
  onFirst?: () => void;
}

const MAX_ID = 0xffff_ffff;

/**
 * Gives the replies of one connection to the client in a way that it can match with its commands
 * (Dovecot's dict-client.c, dict_conn_input_line).
 *
 * A reply without an id belongs to the oldest command that is unanswered. From protocol 2.1 on a
 * server may answer in another order: a line `*<id>` gives the oldest command without an id this id,
 * and lines that begin with `+<id>\t` belong to it. Dovecot's own server names each command at once;
 * this one does only when a later command is ready first, which saves the usual case one write here
 * and one wake-up there.
 */
export class ReplyQueue {
  readonly #ids: boolean;
  readonly #send: (octets: Buffer) => void;
  /** Oldest first; those with ids stand before those without. */
  readonly #turns: Turn[] = [];
  #lastId = 0;

  /** @param ids whether the client knows ids */
  constructor(ids: boolean, send: (octets: Buffer) => void) {
    this.#ids = ids;
    this.#send = send;
  }

  /** To be called for each command that has a reply, in the order in which they came. */
  enter(turn: Turn): void {
    this.#turns.push(turn);
  }

  /**
   * Sends lines of a reply that goes on. Without ids, resolves only when all commands before it are
   * answered.
   */
  async part(turn: Turn, reply: Reply): Promise<void> {
    if (turn !== this.#turns[0] && !this.#ids) {
      await new Promise<void>((resolve) => (turn.onFirst = resolve));
    }
    const index = this.#turns.indexOf(turn);
    if (index === -1) return;
    if (index > 0) this.#name(index);
    this.#send(reply(turn.id === 0 ? '' : `+${turn.id}\t`));
  }

  answer(turn: Turn, reply: Reply): void {
    if (turn === this.#turns[0]) {
      this.#turns.shift();
      this.#send(reply(''));
      this.#sendReady();
      this.#turns.at(0)?.onFirst?.();
    } else if (this.#ids) {
      const index = this.#turns.indexOf(turn);
      this.#name(index);
      this.#turns.splice(index, 1);
      this.#send(reply(`+${turn.id}\t`));
    } else {
      turn.ready = reply('');
    }
  }

  #sendReady(): void {
    for (let next = this.#turns[0]; next?.ready; next = this.#turns[0]) {
      this.#turns.shift();
      this.#send(next.ready);
    }
  }

  /** Gives ids to the command at `index` and to all older ones: the client gives them in order. */
  #name(index: number): void {
    let lines = '';
    for (const turn of this.#turns.slice(0, index + 1)) {
      if (turn.id !== 0) continue;
      this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
      turn.id = this.#lastId;
      lines += `*${turn.id}\n`;
    }
    if (lines !== '') this.#send(Buffer.from(lines, 'latin1'));
  }
}
