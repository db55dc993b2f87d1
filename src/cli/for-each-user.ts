import { errorMessage } from '../errors.ts';
import { createProgressBar } from './progress-bar.ts';

/** Users under way at the same time: enough for the store to group commits. */
const AT_A_TIME = 4;

export interface UserFailure {
  user: string;
  reason: string;
}

/** Works on all users with a progress bar on standard error; one that fails stops no other. */
export async function forEachUser(
  users: readonly string[],
  work: (user: string) => Promise<void>,
): Promise<UserFailure[]> {
  const failures: UserFailure[] = [];
  const bar = createProgressBar(process.stderr, users.length);
  const waiting = users.values();
  const worker = async (): Promise<void> => {
    for (const user of waiting) {
      try {
        await work(user);
      } catch (error) {
        failures.push({ user, reason: errorMessage(error) });
      }
      bar.tick();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  bar.end();
  return failures;
}
