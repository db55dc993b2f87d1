import { parentPort, workerData } from 'node:worker_threads';
import { explainOpening, mayBePutRight } from './explain-sqlite-error.ts';
import { toPortableError } from './portable-error.ts';
import type { WriterReply, WriterRequest, WriterSetup } from './writer-messages.ts';
import { WriterSession } from './writer-session.ts';

/*
 * The thread that waits for the disk so that the main one need not. It takes one group of jobs at a
 * time and answers once that is on disk; what comes in meanwhile is the next group.
 */
const port = parentPort;
if (port === null) throw new Error('writer-worker is a worker thread, not a program.');
const reply = (message: WriterReply): void => port.postMessage(message);

const setup = workerData as WriterSetup;
const session = new WriterSession({
  setup,
  now: Date.now,
  onReplaced: (replaced) => reply({ replaced }),
});

port.on('message', (request: WriterRequest) => {
  if (request === 'close') {
    session.close();
    port.close();
  } else reply({ outcomes: session.runAll(request.jobs) });
});

setInterval(() => session.emptyLog(), setup.emptyLogMsecs).unref();

try {
  const { damagedRows } = session.open();
  reply({ ready: { damagedRows } });
} catch (error) {
  const problem = toPortableError(explainOpening(error, setup.path));
  if (mayBePutRight(error)) reply({ ready: { damagedRows: 0, problem } });
  else {
    reply({ refused: problem });
    port.close();
  }
}
