import { decodeHeaderText } from './decode-header-text.ts';
import { createSkipper } from './skip-comment-or-quote.ts';

/** Stands for white space within quotes while words are taken apart. */
const QUOTED_SPACE = '\u0000';

/**
 * Every address that a reader of a From value might take for the sender's, in linear time and however
 * long it is: those in brackets, without a source route (RFC 5322 section 4.4); where a mailbox has
 * none, each word with an `@`; white space and comments between their parts left out (section 4.5),
 * quotes as they stand; and what encoded words say where they stand for an address, though RFC 2047
 * section 5 forbids it.
 *
 * For who must not miss one; what a message shows its reader is {@link parseMailboxes}'s to say.
 *
 * @param limit how many are looked for
 * @returns undefined when there are more
 */
export function scanAddresses(value: string, limit: number): string[] | undefined {
  const scan = new AddressScan();
  for (const mailbox of scan.mailboxes(value)) {
    for (const address of mailbox) scan.found.add(address);
    if (scan.found.size > limit) return undefined;
  }
  return [...scan.found];
}

class AddressScan {
  readonly found = new Set<string>();
  #text = '';
  #angle: string | undefined;
  #inAngle = false;

  *mailboxes(value: string): Generator<string[]> {
    const skip = createSkipper(value);
    let literalsClose = true;
    for (let at = 0; at < value.length;) {
      const char = value[at] as string;
      if (char === '(') {
        at = skip(at);
        continue;
      }
      if (char === '"') {
        const end = skip(at);
        this.#add(value.slice(at, end).replaceAll(/\s/g, QUOTED_SPACE));
        at = end;
        continue;
      }
      if (char === '[' && literalsClose) {
        const end = value.indexOf(']', at);
        literalsClose = end !== -1;
        this.#add(value.slice(at, end + 1));
        at = Math.max(at, end) + 1;
        continue;
      }
      if (char === '<') {
        if (this.#angle !== undefined) yield this.#end();
        this.#inAngle = true;
        this.#angle = '';
      } else if (char === '>') {
        this.#inAngle = false;
      } else if (char === ':') {
        // The end of a source route, or of a group's name.
        if (this.#inAngle) this.#angle = '';
        else this.#text = '';
      } else if (char === ';' || (char === ',' && !this.#inRoute())) {
        yield this.#end();
      } else {
        this.#add(char);
      }
      at += 1;
    }
    yield this.#end();
  }

  /** `<@a.example,@b.example:john@example.org>` */
  #inRoute(): boolean {
    return this.#inAngle && this.#angle?.trimStart().startsWith('@') === true;
  }

  #add(text: string): void {
    if (this.#inAngle) this.#angle = `${this.#angle ?? ''}${text}`;
    else this.#text += text;
  }

  #end(): string[] {
    const angle = (this.#angle ?? '').replaceAll(/\s/g, '');
    const text = this.#text;
    this.#angle = undefined;
    this.#inAngle = false;
    this.#text = '';
    const words = angle === '' ? wordsIn(text) : [angle];
    const encoded = [angle === '' ? text : angle].filter((one) => one.includes('=?'));
    const decoded = encoded.flatMap((one) => wordsIn(decodeHeaderText(one)));
    return [...words, ...decoded]
      .filter((word) => word.includes('@'))
      .map((word) => word.replaceAll(QUOTED_SPACE, ' '));
  }
}

/** `john . doe @ example.org` is one word. */
const wordsIn = (text: string): string[] =>
  text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([.@]) ?/g, '$1')
    .split(' ');
