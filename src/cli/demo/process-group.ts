import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from './run-command.ts';

/**
 * A shell leads the group and waits for its standard input to end, which it does when stop() closes
 * it, and also when this process is killed. Then it ends all the others, removes the directory, and
 * last itself. A program that ends of its own ends the group.
 */
const LEADER = `
dir=$1
shift
("$@"; kill -KILL 0) &
cat >/dev/null
trap '' TERM
kill -TERM 0
sleep 0.1
rm -rf "$dir"
kill -KILL 0
`;

export interface ProcessGroup {
  /** Whether the program, and with it the group, has ended. */
  ended: () => boolean;
  /** What the program wrote to standard error so far. */
  complaint: () => string;
  /** Ends every process of the group and removes its directory. */
  stop: () => Promise<void>;
}

/** Starts a program that may start others; none of them outlives this process. */
export function startProcessGroup(
  file: string,
  args: readonly string[],
  dir: string,
): ProcessGroup {
  let complaint = '';
  const leader = spawn('sh', ['-c', LEADER, 'sh', dir, file, ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: childEnvironment(),
    detached: true, // a group of its own
  });
  leader.stdin.on('error', () => undefined);
  leader.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const ended = (): boolean => leader.exitCode !== null || leader.signalCode !== null;
  return {
    ended,
    complaint: () => complaint,
    stop: async () => {
      if (ended()) return;
      const exit = once(leader, 'exit');
      leader.stdin.end();
      await Promise.race([exit, sleep(5_000, undefined, { ref: false })]);
      if (!ended()) killGroup(leader);
      await exit;
    },
  };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}

/** Until something listens on the port of 127.0.0.1; fails when the group ends first. */
export async function waitForPort(port: number, group: ProcessGroup): Promise<void> {
  const end = performance.now() + 15_000;
  for (;;) {
    if (await canConnect(port)) return;
    if (group.ended()) throw new Error('the program ended');
    if (performance.now() > end) throw new Error(`nothing listens on port ${port}`);
    await sleep(10);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
