import { UnavailableError } from '../errors.ts';

/**
 * `work`, or an error once `msecs` milliseconds have passed. The work itself is not stopped.
 *
 * @throws UnavailableError with `message`, at the deadline
 */
export async function withDeadline<T>(
  work: Promise<T>,
  msecs: number,
  message: string,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UnavailableError(message)), msecs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
