import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';

/** A socket as a killed process leaves it: everyone may connect, and nobody listens. */
export function leaveDeadSocket(path: string): void {
  const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program, path]);
  chmodSync(path, 0o666);
}
