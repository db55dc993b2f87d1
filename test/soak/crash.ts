/*
 * kill -9 of the sidecar at random moments, again and again, while mail is delivered:
 *   node test/soak/crash.ts [--deliveries 10000] [--kills 40] [--seed 1] [--users 20]
 *     [--subscriptions 3] [--connections 4] [--pause-msecs 0] [--push-msecs 10]
 *     [--dovecot 2.3|2.4] [--redis]
 * Ends with 1 when a message or a push is lost.
 */
import { parseArgs } from 'node:util';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { RedisServer } from '../stores/redis/redis-server.ts';
import { runCrash, type CrashReport } from '../support/crash/crash-run.ts';

const { values } = parseArgs({
  options: {
    deliveries: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    users: { type: 'string', default: '20' },
    subscriptions: { type: 'string', default: '3' },
    connections: { type: 'string', default: '4' },
    'pause-msecs': { type: 'string', default: '0' },
    'push-msecs': { type: 'string', default: '10' },
    dovecot: { type: 'string' },
    redis: { type: 'boolean', default: false },
  },
});

const redis = values.redis ? await RedisServer.start() : undefined;
const report = await runCrash({
  deliveries: Number(values.deliveries),
  kills: Number(values.kills),
  seed: Number(values.seed),
  users: Number(values.users),
  subscriptions: Number(values.subscriptions),
  connections: Number(values.connections),
  pauseMsecs: Number(values['pause-msecs']),
  pushMsecs: Number(values['push-msecs']),
  ...(values.dovecot !== undefined && { version: values.dovecot as DovecotVersion }),
  ...(redis && { storeUrl: redis.url() }),
  onProgress: (words) => console.error(words),
}).finally(() => redis?.dispose());

const { mail, lmtpMsecs, pushesOwed, pushesMissing, duplicates } = report;
const ages = duplicates.toSorted((one, other) => one - other);
print({
  deliveries: report.deliveries,
  'kills (of these while starting)': `${report.kills} (${report.killsWhileStarting})`,
  'events spooled by Dovecot': report.spooled,
  'deliveries broken off and repeated': report.brokenOff,
  'messages missing': mail.missing.length,
  'messages in two places': mail.twice.length,
  'messages in the wrong mailbox': mail.misplaced.length,
  'pushes owed': pushesOwed,
  'pushes missing': pushesMissing.length,
  'pushes that came twice': `${ages.length} (${((100 * ages.length) / pushesOwed).toFixed(3)} %)`,
  'of these a kill': (ages.length / report.kills).toFixed(1),
  'they came before it, median / most': `${ages[ages.length >> 1] ?? 0} / ${ages.at(-1) ?? 0} ms`,
  'LMTP median / p99 / most': `${lmtpMsecs.median} / ${lmtpMsecs.p99} / ${lmtpMsecs.most} ms`,
  seconds: report.seconds.toFixed(0),
});
console.error(ages.join(' '));
for (const line of report.complaints.slice(0, 20)) console.error(line);
for (const lost of [...mail.missing, ...pushesMissing].slice(0, 20)) console.log(`lost: ${lost}`);
process.exitCode = isSound(report) ? 0 : 1;

function print(rows: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(rows)) {
    console.log(`| ${name.padEnd(36)} | ${String(value).padEnd(18)} |`);
  }
}

function isSound({ mail: found, pushesMissing: lost }: CrashReport): boolean {
  return [found.missing, found.twice, found.misplaced, lost].flat().length === 0;
}
