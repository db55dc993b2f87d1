/**
 * How fast an event log is drained: transactions that a service finds at its start, of users without and
 * with a subscription, until all are handled and what follows from them is owed.
 *
 *   node test/bench/event-log.ts [--quick]
 */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { createLogger } from '../../src/logging.ts';
import { atLeast, median, runAlone, type Bench, type BenchRow } from './bench.ts';
import { startDoveadmStandIn } from './doveadm-stand-in.ts';
import { seedStore } from './seed-store.ts';

const USERS = 1_000;
/** Refuses connections: what is measured ends with the pushes being owed. */
const ORIGIN = 'https://127.0.0.1:9';

export const benchEventLog: Bench = async ({ quick }) => {
  const rounds = quick ? 1 : 3;
  const rows: BenchRow[] = [];
  for (const [name, subscribed, transactions, aim] of [
    ['of users without anything', false, 50_000, 10_000],
    ['of users with a subscription, each message fetched', true, 5_000, undefined],
  ] as const) {
    const rates: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { rate, cpu } = await drain(transactions, subscribed);
      rates.push(rate);
      costs.push(cpu);
    }
    const value = median(rates);
    rows.push(
      { name, value, unit: 'transactions/s', ...(aim !== undefined && atLeast(value, aim)) },
      { name: `${name}: CPU of the service`, value: median(costs), unit: 'µs' },
    );
  }
  return rows;
};

/** @returns transactions a second, and microseconds of CPU for each */
async function drain(
  transactions: number,
  subscribed: boolean,
): Promise<{ rate: number; cpu: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'coi-bench-log-'));
  const doveadm = await startDoveadmStandIn();
  const names = Array.from({ length: USERS }, (_, index) => `user${index}@example.org`);
  const url = `sqlite:${join(dir, 'state.db')}`;
  if (subscribed) await seedStore(url, { names, filter: 'none', origins: [ORIGIN] });
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
  appendFileSync(join(dir, 'events', String(uid), 'log'), writeLog(transactions, names, uid));
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
  await app.stop();
  doveadm.close();
  rmSync(dir, { recursive: true });
  return { rate: transactions / seconds, cpu: (user + system) / transactions };
}

/** As the Lua script writes it. */
function writeLog(transactions: number, names: readonly string[], uid: number): string {
  let text = '';
  for (let number = 0; number < transactions; number += 1) {
    const message = { mailbox: 'INBOX', uid: number + 1, uidvalidity: 1, keywords: [] };
    const header = { message_id: `<${number}@example.net>`, from: 'Ann <ann@example.net>' };
    const events = [{ event: 'MessageNew', ...message, ...header, subject: `Mail ${number}` }];
    const user = names[number % names.length];
    text += `\n${JSON.stringify({ user, uid, service: 'lmtp', events, at: Date.now() / 1_000 })}\n`;
  }
  return text;
}

await runAlone(import.meta, 'Draining an event log', benchEventLog);
