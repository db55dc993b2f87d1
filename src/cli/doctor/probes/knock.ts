import { connect } from 'node:net';

const TIMEOUT_MSECS = 5_000;

/** @returns undefined when somebody takes connections there, else why not */
export function knock(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(TIMEOUT_MSECS, () => settle(`no answer within ${TIMEOUT_MSECS / 1_000} s`));
    socket.once('connect', () => settle(undefined));
    socket.once('error', (error) => settle(error.message || 'it cannot be reached'));
  });
}
