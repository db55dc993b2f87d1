import { InvalidInputError } from '../errors.ts';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/**
 * The decimal number in `value` plus `by`, as decimal text; what Redis' HINCRBY does.
 *
 * @throws InvalidInputError `value` is not a whole number in its shortest form, or the sum does not
 *   fit 64 bits (Dovecot counts in `long long`)
 */
export function addToDecimal(value: Uint8Array, by: number): Buffer {
  // No number that fits is longer than `-9223372036854775808`.
  const text = value.length > 20 ? '' : Buffer.from(value).toString('latin1');
  if (!/^(?:0|-?[1-9][0-9]*)$/.test(text))
    throw new InvalidInputError('An increment names a value that is not a whole number.');
  const sum = BigInt(text) + BigInt(by);
  if (sum < MIN || sum > MAX)
    throw new InvalidInputError('An increment leads out of the range of 64-bit numbers.');
  return Buffer.from(sum.toString());
}
