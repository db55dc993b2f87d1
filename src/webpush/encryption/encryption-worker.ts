import { parentPort } from 'node:worker_threads';
import { errorMessage, InvalidInputError } from '../../errors.ts';
import { encryptPush } from './encrypt-push.ts';
import { createReceiverKeyCache } from './receiver-keys.ts';
import type { EncryptionJob, EncryptionReply, EncryptionRequest } from './threaded-encryptor.ts';

/* The thread on which pushes are encrypted: a group of them in, their bodies out in one piece. */
const port = parentPort;
if (port === null) throw new Error('encryption-worker is a worker thread, not a program.');

const readKeys = createReceiverKeyCache();

port.on('message', ({ jobs }: EncryptionRequest) => {
  const results = jobs.map(run);
  const octets = new Uint8Array(results.reduce((sum, { body }) => sum + (body?.length ?? 0), 0));
  let at = 0;
  for (const { body } of results) {
    if (body === undefined) continue;
    octets.set(body, at);
    at += body.length;
  }
  const outcomes = results.map(({ outcome }) => outcome);
  const reply: EncryptionReply = { octets: octets.buffer, outcomes };
  port.postMessage(reply, [octets.buffer]);
});

interface Result {
  body?: Buffer;
  outcome: EncryptionReply['outcomes'][number];
}

function run({ plaintext, keys, padding }: EncryptionJob): Result {
  try {
    const body = encryptPush(plaintext, readKeys(keys), { padding });
    return { body, outcome: body.length };
  } catch (error) {
    return { outcome: { message: errorMessage(error), input: error instanceof InvalidInputError } };
  }
}
