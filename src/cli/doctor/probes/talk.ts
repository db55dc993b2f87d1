import { connect } from 'node:net';
import { UnavailableError } from '../../../errors.ts';

const TIMEOUT_MSECS = 10_000;

/**
 * Says something to a unix socket and listens.
 *
 * @param isWhole whether the answer so far is all of it; the end of the connection always is
 * @param end whether to shut down the writing side behind it
 * @throws Error with the system's code when there is no connection, UnavailableError without an answer
 */
export function talk(
  path: string,
  said: string,
  { isWhole, end }: { isWhole: (answer: string) => boolean; end: boolean },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new UnavailableError(`no answer within ${TIMEOUT_MSECS / 1_000} s`));
    }, TIMEOUT_MSECS);
    const settle = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('utf8');
    socket.once('connect', () => {
      if (end) socket.end(said);
      else socket.write(said);
    });
    socket.on('data', (text: string) => {
      answer += text;
      if (isWhole(answer)) settle();
    });
    socket.once('end', settle);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
