import { seededRandom } from '../support/seeded-random.ts';

/** One number out of several, for a stream of its own: the same parts, the same stream. */
export function mixSeed(...parts: readonly number[]): number {
  let mixed = 0x811c9dc5;
  for (const part of parts) {
    for (let shift = 0; shift < 32; shift += 8) {
      mixed = Math.imul(mixed ^ ((part >>> shift) & 0xff), 0x01000193) >>> 0;
    }
  }
  return mixed;
}

/** What programs stumble over: ends of ranges, and numbers that JSON or SQLite cannot keep. */
const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, 0.5, -0.5, 127, 255, 65_535, 65_536, 1e21, 1e308, -1e308, 5e-324],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64],
  ...[-(2 ** 31), -(2 ** 53) + 1, -(2 ** 63), 8_640_000_000_000, 8_640_000_000_001, 1.7e12],
];

const WORDS: readonly string[] = [
  ...['', ' ', '*', '?', '%', '%u', '%2e%2e', '..', '../../etc/passwd', '/', '\\', '"', "'", '`'],
  ...['\0', '\x01', '\t', '\r\n', '\n', '\x1b[31m', '\x7f', '\x85', '\u2028', '\u202e', '\ufeff'],
  ...['é', 'ß', 'İ', '\u{1f600}', 'a\u0301', '\ufffd', '\ud800', '\udfff', '__proto__', 'toString'],
  ...['yes', 'no', 'INBOX', 'INBOX.COI', 'COI/Chats', '$Chat', 'null', 'true', '-1', '1e999'],
  ...['<', '<<<<<<<<', '((((((((', '=?utf-8?B?', '=?x?Q?=', '${x}', '{{x}}', "' OR 1=1 --", 'a@b'],
];

/** Random choices that come again with the same seed. */
export class Chance {
  readonly #random: ReturnType<typeof seededRandom>;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from zero to below `limit`. */
  below(limit: number): number {
    return this.#random.below(limit);
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new RangeError('nothing to pick from');
    return from[this.below(from.length)] as T;
  }

  /** Up to `most` of what `make` makes. */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  /** Mostly short, now and then as long as `most`. */
  length(most: number): number {
    return this.below(this.oneIn(20) ? most + 1 : Math.min(most, 24) + 1);
  }

  octets(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.length(most) }, () => this.below(256)));
  }

  text(most = 200): string {
    const words = Array.from({ length: 1 + this.below(3) }, () =>
      this.oneIn(2) ? this.pick(WORDS) : `w${this.below(1_000)}`,
    );
    const text = words.join(this.pick(['', ' ', '/']));
    return this.oneIn(30)
      ? text.padEnd(this.below(most * 10), this.pick(['a', '(', '<', ' ', 'é']))
      : text;
  }

  number(): number {
    return this.oneIn(2) ? this.pick(NUMBERS) : this.below(100_000);
  }

  /** Any JSON value. */
  json(depth = 3): unknown {
    if (depth === 0 || this.oneIn(2)) {
      return this.pick([null, true, false, this.number(), this.text(), this.text()]);
    }
    if (this.oneIn(2)) return this.some(4, () => this.json(depth - 1));
    return Object.fromEntries(this.some(4, () => [this.text(20), this.json(depth - 1)]));
  }

  /** The same JSON with a value replaced, a key added or a key gone, anywhere. */
  distort(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || this.oneIn(6)) return this.json(2);
    const copy = structuredClone(value) as Record<string, unknown>;
    const keys = Object.keys(copy);
    if (keys.length === 0 || this.oneIn(8)) copy[this.text(20)] = this.json(2);
    else {
      const key = this.pick(keys);
      if (this.oneIn(8) && !Array.isArray(copy)) Reflect.deleteProperty(copy, key);
      else copy[key] = this.distort(copy[key]);
    }
    return copy;
  }

  /** The same octets with a few changes: some replaced, gone, doubled, or others between them. */
  mutate(octets: Buffer): Buffer {
    let changed = octets;
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(changed.length + 1);
      const [head, tail] = [changed.subarray(0, at), changed.subarray(at)];
      const span = 1 + this.below(this.oneIn(4) ? 64 : 4);
      changed = Buffer.concat(
        this.pick([
          [head, this.octets(16), tail],
          [head, this.octets(4), tail.subarray(span)],
          [head, tail.subarray(span)],
          [head, tail.subarray(0, span), tail],
          [head, Buffer.from(this.pick(WORDS)), tail.subarray(this.below(4))],
          [
            head,
            Buffer.alloc(this.oneIn(10) ? 1 + this.below(70_000) : span, this.below(256)),
            tail,
          ],
        ]),
      );
    }
    return changed;
  }

  /** The same octets in pieces, cut anywhere; now and then each octet alone. */
  split(octets: Buffer): Buffer[] {
    if (octets.length <= 40 && this.oneIn(8))
      return Array.from(octets, (octet) => Buffer.of(octet));
    const cuts = this.some(4, () => this.below(octets.length + 1)).sort(
      (one, other) => one - other,
    );
    return [0, ...cuts].map((from, index) => octets.subarray(from, cuts[index] ?? octets.length));
  }
}
