import type { Answer } from './push-service.ts';

/** One answer after the other; the last one stays. */
export function inTurn(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (...call) => answers[Math.min(count++, answers.length - 1)]?.(...call);
}

/** The request is taken, and nothing comes back. */
export const hang: Answer = () => undefined;

/** 201, after so many milliseconds. */
export const later =
  (msecs: number): Answer =>
  (response) =>
    void setTimeout(() => response.writeHead(201).end(), msecs);

/** 100 Continue, which nobody asked for, and 201. */
export const afterContinue: Answer = (response) => {
  response.writeContinue();
  response.writeHead(201).end();
};

/** The connection is cut in place of an answer. */
export const reset: Answer = (_response, _push, socket) => void socket.destroy();

const DRIP_MSECS = 40;

/** An answer that begins at once and whose header never ends, an octet at a time. */
export const dripHeader: Answer = (_response, _push, socket) => {
  socket.write('HTTP/1.1 201 Created\r\nX-Slow: ');
  const timer = setInterval(() => socket.write('z'), DRIP_MSECS);
  socket.once('close', () => clearInterval(timer));
};

/** 201 at once, and a body that never ends, an octet at a time. */
export const dripBody: Answer = (response, _push, socket) => {
  response.writeHead(201);
  const timer = setInterval(() => response.write('z'), DRIP_MSECS);
  socket.once('close', () => clearInterval(timer));
};
