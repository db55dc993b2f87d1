/**
 * How long a push takes: from the moment that a message's body was sent to LMTP until its push is at
 * the push service.
 *
 *   node test/bench/latency.ts [--quick]
 *
 * One message at a time to a user with message-filter `active` and one subscription. The content of
 * chat mail passes the sidecar before it is stored; that of ordinary mail is fetched from Dovecot.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { LmtpConnection } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { makeCertificates } from '../support/make-certificates.ts';
import { stageConfig } from '../support/start-stage.ts';
import { quantile, runAlone, type Bench, type BenchRow } from './bench.ts';
import { nextMessage } from './lmtp-load.ts';
import { seedStore } from './seed-store.ts';
import { startSidecarUnderTest } from './sidecar-under-test.ts';

/** The C plugin's, as published; it says nothing of the 95th percentile. */
const C_PLUGIN_MSECS = [5, 8] as const;

const USER = 'reader@example.org';
const WARM_UP = 100;

export const benchLatency: Bench = async ({ quick }) => {
  const { ca, key, cert } = makeCertificates();
  const service = createServer({ key, cert, keepAliveTimeout: 60_000 });
  await once(service.listen(0, '127.0.0.1'), 'listening');
  const origin = `https://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const dovecot = await startPrivateDovecot();
  const { dir } = dovecot.layout;
  await writeFile(join(dir, 'ca.pem'), ca);
  const config = stageConfig(dovecot, join(dir, 'ca.pem'));
  const users = { names: [USER], filter: 'active', origins: [origin] } as const;
  await seedStore(String(config['store']?.['url']), users);
  const sidecar = await startSidecarUnderTest(dir, config);
  await dovecot.runDoveadm(['mailbox', 'create', '-u', USER, '-s', 'COI/Chats']);
  const connection = await LmtpConnection.open(dovecot.lmtp);
  try {
    const msecs = { chat: [] as number[], mail: [] as number[] };
    for (let round = -WARM_UP; round < (quick ? 100 : 500); round += 1) {
      for (const kind of ['chat', 'mail'] as const) {
        const [arrived, delivery] = await Promise.all([
          nextRequest(service),
          connection.deliver('sender@example.org', [USER], nextMessage(kind)),
        ]);
        if (round >= 0) msecs[kind].push(arrived - delivery.sentAt);
      }
    }
    return [...summarise('chat mail', msecs.chat), ...summarise('ordinary mail', msecs.mail)];
  } finally {
    await connection.close();
    await sidecar.stop();
    await dovecot.stop();
    service.close();
    service.closeAllConnections();
  }
};

/** When the next request has come, on the clock of `performance.now()`; it is answered 201. */
function nextRequest(service: Server): Promise<number> {
  return new Promise((resolve) => {
    service.once('request', (request, response) => {
      request.resume().once('end', () => {
        resolve(performance.now());
        response.writeHead(201).end();
      });
    });
  });
}

const summarise = (what: string, msecs: readonly number[]): BenchRow[] => [
  {
    name: `push at the service, ${what}, p50`,
    value: quantile(msecs, 0.5),
    unit: 'ms',
    ...(what === 'chat mail' && {
      aim: `≤ ${C_PLUGIN_MSECS.join('–')} ms, the C plugin's`,
      met: quantile(msecs, 0.5) <= C_PLUGIN_MSECS[1],
    }),
  },
  { name: `push at the service, ${what}, p95`, value: quantile(msecs, 0.95), unit: 'ms' },
];

await runAlone(import.meta, 'Latency: from message body to push', benchLatency);
