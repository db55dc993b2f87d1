import assert from 'node:assert/strict';

const STEP = 8;
/** What takes no longer than this for the larger input harms nobody, and is too short to be compared. */
const NEGLIGIBLE_MSECS = 12;
/** Linear work takes STEP times as long, quadratic work STEP * STEP times; other processes add their part. */
const MOST_GROWTH = 3 * STEP;
const TRIES = 3;

/**
 * Fails if reading eight times as much takes much more than eight times as long. It compares the work
 * with itself, by the shortest of a few tries, so that a slow machine fails nothing.
 *
 * @param make an input of so many characters
 */
export function assertLinear<Input>(
  what: string,
  read: (input: Input) => unknown,
  make: (length: number) => Input,
  length = 1_024,
): void {
  const small = make(length);
  const large = make(STEP * length);
  for (let attempt = 0; ; attempt++) {
    const long = shortest(() => read(large));
    if (long < NEGLIGIBLE_MSECS) return;
    const short = Math.max(
      shortest(() => read(small)),
      NEGLIGIBLE_MSECS / STEP,
    );
    if (long / short < MOST_GROWTH) return;
    if (attempt === 1) assert.fail(`${what}: ${short} ms became ${long} ms`);
  }
}

function shortest(work: () => unknown): number {
  let least = Infinity;
  for (let done = 0; done < TRIES; done++) {
    const { user: before } = process.cpuUsage();
    const started = performance.now();
    work();
    // Another process may have had the processor meanwhile.
    const used = (process.cpuUsage().user - before) / 1_000;
    least = Math.min(least, performance.now() - started, Math.max(used, 0.01));
    if (least < NEGLIGIBLE_MSECS / STEP) break;
  }
  return least;
}
