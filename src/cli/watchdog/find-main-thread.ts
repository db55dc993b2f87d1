import { Session, type Debugger } from 'node:inspector/promises';

/** More says no more about where it hangs. */
const MOST_FRAMES = 20;

/**
 * Stops the main thread for good, wherever its code is, and says where: one line a function, the
 * innermost first. Never resolves when it is not in code but in a call into the system.
 */
export function findMainThread(): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const session = new Session();
    session.connectToMainThread();
    session.on('Debugger.paused', ({ params: { callFrames } }) => {
      resolve(callFrames.slice(0, MOST_FRAMES).map(describe));
    });
    session.post('Debugger.enable').catch(reject);
    session.post('Debugger.pause').catch(reject);
  });
}

const describe = ({ functionName, url, location }: Debugger.CallFrame): string =>
  `${functionName || '<anonymous>'} (${url}:${location.lineNumber + 1})`;
