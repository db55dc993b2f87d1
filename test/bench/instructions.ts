/**
 * What an lmtp process does for a delivery, counted in instructions (user space): the same on a machine
 * that is busy, which no time is.
 *
 *   node test/bench/instructions.ts [--quick]
 *
 * Runs lmtp under valgrind's callgrind (Debian: valgrind); where that is not installed, counts nothing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { runAlone, type Bench, type BenchRow } from './bench.ts';
import { deliverLoad, nextMessage } from './lmtp-load.ts';
import { startPushTargets } from './push-targets.ts';
import { startPlain, startWithEmptyScript, startWithSidecar } from './reference-dovecots.ts';

const CHATTER = 'chatter@example.org';
const OTHER = 'other@example.org';
const SUBSCRIPTIONS = 3;
/** The first deliveries of a process load what the later ones find in memory. */
const WARM_UP = 3;

export const benchInstructions: Bench = async ({ quick }) => {
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    console.log('valgrind is not installed: no instructions are counted');
    return [];
  }
  const messages = quick ? 30 : 100;
  const dir = mkdtempSync(join(tmpdir(), 'coi-bench-'));
  const targets = await startPushTargets(SUBSCRIPTIONS);
  const rows: BenchRow[] = [];
  const count = async (
    name: string,
    dovecot: PrivateDovecot,
    user: string,
    kind: 'chat' | 'mail',
  ) => {
    const value = (await countInstructions(dir, dovecot, user, kind, messages)) / 1e6;
    const plain = rows[0]?.value;
    const ratio = plain === undefined ? {} : { ratio: value / plain };
    rows.push({ name, value, unit: 'million', ...ratio });
  };
  const extraConfig = underCallgrind(dir);
  try {
    const plain = await startPlain(extraConfig);
    await count('Dovecot without COI', plain, OTHER, 'mail').finally(() => plain.stop());
    const empty = await startWithEmptyScript(dir, { extraConfig });
    await count('an empty Lua script', empty, OTHER, 'mail').finally(() => empty.stop());
    const sieve = await startWithEmptyScript(dir, { filesChat: true, extraConfig });
    await count('the same and Sieve, ordinary mail', sieve, OTHER, 'mail');
    await count('the same and Sieve, which files chat mail', sieve, CHATTER, 'chat').finally(() =>
      sieve.stop(),
    );
    const { dovecot, sidecar } = await startWithSidecar(targets, [CHATTER], extraConfig);
    await count('coi-sidecar, ordinary mail, no COI', dovecot, OTHER, 'mail');
    await count('coi-sidecar, chat mail, 3 subscriptions', dovecot, CHATTER, 'chat');
    await sidecar.stop();
    await dovecot.stop();
    return rows;
  } finally {
    targets.close();
    rmSync(dir, { recursive: true });
  }
};

const underCallgrind = (dir: string): string => `
service lmtp {
  executable = /usr/bin/valgrind --quiet --tool=callgrind --callgrind-out-file=${dir}/%p.out /usr/lib/dovecot/lmtp
  vsz_limit = 0
}
`;

/** Instructions a delivery. */
async function countInstructions(
  dir: string,
  { lmtp, layout }: PrivateDovecot,
  user: string,
  kind: 'chat' | 'mail',
  messages: number,
): Promise<number> {
  const load = { users: [user], connections: 1, message: () => nextMessage(kind) };
  await deliverLoad(lmtp, { ...load, messages: WARM_UP });
  const pids = childrenOf(Number(readFileSync(join(layout.baseDir, 'master.pid'), 'utf8'))).filter(
    (pid) => existsSync(join(dir, `${pid}.out`)),
  );
  const control = (option: string) => spawnSync('callgrind_control', [option, ...pids]);
  control('--zero');
  await deliverLoad(lmtp, { ...load, messages });
  control('--dump');
  const counts = pids.map((pid) => readLastDump(dir, `${pid}.out.`));
  return counts.reduce((sum, count) => sum + count, 0) / messages;
}

/** A process numbers its dumps, from 1. */
function readLastDump(dir: string, prefix: string): number {
  const dumps = readdirSync(dir).filter((name) => name.startsWith(prefix));
  const file = join(dir, `${prefix}${dumps.length}`);
  return Number(/^totals: (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1]);
}

const childrenOf = (parent: number): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] === String(parent);
    } catch {
      return false; // no process, or none any more
    }
  });

await runAlone(import.meta, 'Delivery: instructions of lmtp', benchInstructions);
