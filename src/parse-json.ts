import { errorMessage, InvalidInputError } from './errors.ts';

/** Objects and arrays within each other; what Dovecot and its scripts send has four. */
const MOST_DEPTH = 32;
/** Of a text however short; 1/6 of that are objects. */
const LEAST_WEIGHT = 16_384;
/** A longer text may weigh one for so many octets: a message that was read takes 77 for a weight of 10. */
const OCTETS_A_WEIGHT = 4;
/** An object or array takes about as much memory as so many other values. */
const CONTAINER_WEIGHT = 6;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING = [0x5b, 0x7b];
const CLOSING = [0x5d, 0x7d];

/**
 * Octets of JSON as the value they stand for; what is not UTF-8 among them reads as U+FFFD.
 *
 * `[{},{},…]` takes fifty times its size in memory, and what is nested deeply ends whoever recurses
 * into it. So values are counted before any is made: texts of which most is structure and hardly
 * anything is content are refused.
 *
 * @throws InvalidInputError it is not JSON, or too much of it
 */
export function parseJson(octets: Buffer): unknown {
  checkWeight(octets);
  try {
    return JSON.parse(octets.toString());
  } catch (error) {
    throw new InvalidInputError(`not JSON: ${errorMessage(error)}`, { cause: error });
  }
}

/**
 * Looks at structure alone, and takes any octets.
 *
 * @throws InvalidInputError more values, or deeper ones, than anyone would send on purpose
 */
export function checkWeight(octets: Buffer): void {
  const most = Math.max(LEAST_WEIGHT, octets.length / OCTETS_A_WEIGHT);
  let weight = 0;
  let depth = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] as number;
    if (octet === QUOTE) {
      at = endOfString(octets, at + 1);
    } else if (octet === COMMA) {
      weight += 1;
    } else if (OPENING.includes(octet)) {
      weight += CONTAINER_WEIGHT;
      depth += 1;
      if (depth > MOST_DEPTH) {
        throw new InvalidInputError(`JSON with more than ${MOST_DEPTH} values within each other`);
      }
    } else if (CLOSING.includes(octet)) {
      depth -= 1;
    }
    if (weight > most) throw new InvalidInputError('JSON of more values than its size is good for');
  }
}

/** The index of the closing quote, or the length when there is none. */
function endOfString(octets: Buffer, start: number): number {
  let at = start;
  while (at < octets.length && octets[at] !== QUOTE) at += octets[at] === BACKSLASH ? 2 : 1;
  return at;
}
