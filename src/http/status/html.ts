/** HTML that is ready to be sent; everything else is text, and escaped. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Piece = Html | string | number | boolean | undefined | readonly Piece[];

/**
 * A template whose pieces are escaped unless they are HTML themselves; lists are joined, and
 * conditions and what is undefined are left out. For text and for attributes in double quotes.
 */
export const html = (strings: TemplateStringsArray, ...pieces: Piece[]): Html =>
  new Html(String.raw({ raw: strings }, ...pieces.map(render)));

function render(piece: Piece): string {
  if (piece === undefined || typeof piece === 'boolean') return '';
  if (piece instanceof Html) return piece.toString();
  if (typeof piece === 'object') return piece.map(render).join('');
  return String(piece).replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
