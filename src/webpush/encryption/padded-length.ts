import { MAX_PADDED_OCTETS, PADDING_STEP_OCTETS } from './record-limits.ts';

/**
 * How long plaintext, delimiter and zeros are together.
 *
 * With padding that is the next multiple of 1 kB, so that an observer learns only the kilobyte that a
 * message falls into; the last step is cut to what one record holds.
 */
export function paddedLength(plaintextOctets: number, padding: boolean): number {
  const least = plaintextOctets + 1;
  if (!padding) return least;
  const steps = Math.ceil(least / PADDING_STEP_OCTETS);
  return Math.max(least, Math.min(steps * PADDING_STEP_OCTETS, MAX_PADDED_OCTETS));
}
