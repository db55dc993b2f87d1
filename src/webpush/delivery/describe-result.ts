import type { AttemptResult } from '../client/attempt-result.ts';

/** An attempt's result in words, for the log: no endpoint, no secret. */
export function describeResult(result: AttemptResult): string {
  const said = result.kind === 'response' ? result.answer : result.detail;
  const what =
    result.kind === 'response'
      ? `the push service answered ${result.status}`
      : `no answer from the push service (${result.reason})`;
  return said === undefined ? what : `${what}: ${said}`;
}
