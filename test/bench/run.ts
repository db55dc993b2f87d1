/**
 * Runs all benches, one after the other, each in a process of its own:
 *
 *   npm run bench -- [--quick] [--json=FILE]
 *
 * Figures of one run compare with each other only. Nothing passes or fails by them.
 * `node scripts/write-performance.ts FILE` makes docs/performance.md of the JSON.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchReport } from './bench.ts';

const BENCHES = [
  'delivery',
  'instructions',
  'lmtp-endpoints',
  'latency',
  'push-building',
  'push-sending',
  'dict',
  'event-log',
  'own-cost',
] as const;

const quick = process.argv.includes('--quick');
const report: BenchReport = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  dovecot: spawnSync('dovecot', ['--version'], { encoding: 'utf8' }).stdout.split(' ')[0] ?? '',
  command: `npm run bench${quick ? ' -- --quick' : ''}`,
  benches: [],
};

const dir = mkdtempSync(join(tmpdir(), 'coi-bench-'));
for (const name of BENCHES) {
  const json = join(dir, `${name}.json`);
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const args = [file, `--json=${json}`, ...(quick ? ['--quick'] : [])];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status === 0) {
    report.benches.push(JSON.parse(readFileSync(json, 'utf8')) as BenchReport['benches'][number]);
  } else process.exitCode = 1;
}
rmSync(dir, { recursive: true });

const target = process.argv.find((argument) => argument.startsWith('--json='));
if (target !== undefined) {
  writeFileSync(target.slice('--json='.length), `${JSON.stringify(report, null, 2)}\n`);
}
