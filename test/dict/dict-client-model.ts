import assert from 'node:assert/strict';

/** What the client made of the replies to one command. */
export interface ModelReply {
  /** `O`, `N`, `F`, `W`; for an iteration that went well, the empty string. */
  letter: string;
  /** Fields behind the letter, as latin1 text. */
  fields: string[];
  /** Of an iteration. */
  rows: string[][];
}

interface Waiting {
  name: string;
  iterates: boolean;
  asyncId: number;
  rows: string[][];
}

/**
 * Reads replies as Dovecot's client does (dict-client.c: dict_conn_input_line,
 * dict_cmd_callback_line), written anew on strings, so that what passes here passes there. Whatever
 * would make the client complain, disconnect or crash throws.
 */
export class DictClientModel {
  readonly replies = new Map<string, ModelReply>();
  readonly #waiting: Waiting[] = [];
  #text = '';

  /** To be told of each command that has a reply, in the order of sending. */
  sent(name: string, iterates = false): void {
    this.#waiting.push({ name, iterates, asyncId: 0, rows: [] });
  }

  get unanswered(): string[] {
    return this.#waiting.map(({ name }) => name);
  }

  receive(octets: Buffer): void {
    const lines = (this.#text + octets.toString('latin1')).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line.startsWith('*')) {
      const unnamed = this.#waiting.find(({ asyncId }) => asyncId === 0);
      assert.ok(unnamed, `all commands have an id already: ${line}`);
      unnamed.asyncId = number(line.slice(1));
      return;
    }
    let args = line === '' ? [] : line.split('\t').map(unescape);
    let command = this.#waiting[0];
    assert.ok(command, `a reply without a command: ${line}`);
    if (args[0]?.startsWith('+')) {
      const id = number(args[0].slice(1));
      command = this.#waiting.find(({ asyncId }) => asyncId === id);
      assert.ok(command, `a reply for an unknown id: ${line}`);
      args = args.slice(1);
    }
    const [first = '', ...rest] = args;
    const letter = first.slice(0, 1);
    if (command.iterates && letter === 'O') {
      assert.ok(rest.length > 0, `a row without a value: ${line}`);
      command.rows.push([first.slice(1), ...rest]);
      return;
    }
    assert.ok((command.iterates ? ['', 'F'] : ['O', 'N', 'F', 'W', 'A']).includes(letter), line);
    this.#waiting.splice(this.#waiting.indexOf(command), 1);
    this.replies.set(command.name, {
      letter,
      fields: [first.slice(1), ...rest],
      rows: command.rows,
    });
  }
}

function number(digits: string): number {
  assert.match(digits, /^[1-9]\d*$/);
  return Number(digits);
}

function unescape(field: string): string {
  const letters: Record<string, string> = { 0: '\0', 1: '\x01', t: '\t', r: '\r', n: '\n' };
  // eslint-disable-next-line no-control-regex
  return field.replace(/\x01([^]?)/g, (_, letter: string) => letters[letter] ?? letter);
}
