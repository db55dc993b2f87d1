import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { createLogger } from '../../src/logging.ts';
import { startDoveadmStandIn } from './doveadm-stand-in.ts';
import { seedStore } from './seed-store.ts';

/*
 * How fast an event log is drained: transactions that a service finds at its start, of users without and
 * with a subscription. `node test/bench/event-log.ts [transactions]`
 */
const [, , given = '20000'] = process.argv;
const transactions = Number(given);
const USERS = 1_000;
/** Refuses connections: what is measured ends with the pushes being owed. */
const ORIGIN = 'https://127.0.0.1:9';

for (const subscribed of [false, true]) {
  const dir = mkdtempSync(join(tmpdir(), 'coi-bench-log-'));
  const doveadm = await startDoveadmStandIn();
  const names = Array.from({ length: USERS }, (_, index) => `user${index}@example.org`);
  const url = `sqlite:${join(dir, 'state.db')}`;
  const origins = subscribed ? [ORIGIN] : [];
  if (subscribed) await seedStore(url, { names, filter: 'none', origins });
  const config = readConfig(
    JSON.stringify({
      http: { listen: '127.0.0.1:0', token: 'a-token-for-dovecot' },
      dict: { socket: join(dir, 'dict') },
      sieve: { socket: join(dir, 'sieve') },
      store: { url },
      outbox: { path: join(dir, 'outbox.db') },
      doveadm: { url: doveadm.url, api_key: 'none' },
      events: { dir: join(dir, 'events') },
      spool: { dir: join(dir, 'spool') },
      webpush: { allow_private_endpoints: ['127.0.0.1'] },
    }),
  );
  const app = await createApp(config, { log: createLogger('silent') });
  await app.ground.eventDirectory.prepare();
  const uid = process.geteuid?.() ?? 0;
  await app.ground.eventDirectory.ensure(uid);
  let text = '';
  for (let number = 0; number < transactions; number += 1) {
    const message = { mailbox: 'INBOX', uid: number + 1, uidvalidity: 1, keywords: [] };
    const header = { message_id: `<${number}@example.net>`, from: 'Ann <ann@example.net>' };
    const events = [{ event: 'MessageNew', ...message, ...header, subject: `Mail ${number}` }];
    const user = names[number % USERS];
    text += `\n${JSON.stringify({ user, uid, service: 'lmtp', events, at: Date.now() / 1_000 })}\n`;
  }
  appendFileSync(join(dir, 'events', String(uid), 'log'), text);
  const before = process.cpuUsage();
  const started = performance.now();
  await app.start();
  await app.flows.logs.takeIn();
  while (app.flows.journal.waiting() > 0) {
    await app.flows.journal.takeIn();
    await sleep(1);
  }
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(before);
  const rate = Math.round(transactions / seconds);
  const cpu = Math.round((user + system) / transactions);
  const who = subscribed ? 'with a subscription' : 'without anything';
  const { owed } = app.domain.delivery.levels();
  console.log(`${who}: ${rate} transactions a second, ${cpu} µs of CPU each; ${owed} pushes owed`);
  await app.stop();
  doveadm.close();
  rmSync(dir, { recursive: true });
}
