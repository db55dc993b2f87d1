import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Another process takes an SQLite file for itself, and ends with this one at the latest: it would hold
 * the runner's standard error open.
 *
 * @returns what ends that process, and its lock
 */
export async function lockDatabase(path: string): Promise<() => Promise<void>> {
  const script = `
    const { DatabaseSync } = require('node:sqlite');
    new DatabaseSync(${JSON.stringify(path)}).exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE');
    console.log('locked');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return async () => {
    if (child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
}
