import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TempDir } from '../stores/make-temp-dir.ts';
import { buildSource } from '../support/build-source.ts';

/** What a sidecar has used since it started, all threads together. */
export interface SidecarUsage {
  cpuMsecs: number;
  /** On the main thread's JavaScript heap, garbage included. */
  allocatedOctets: number;
  residentOctets: number;
  /** Pushes that are owed now. */
  owed: number;
}

let built: TempDir | undefined;

function build(): TempDir {
  if (built === undefined) {
    const made = buildSource(['src/**/*.ts', 'test/bench/sidecar-process.ts']);
    process.once('exit', made.remove);
    built = made;
  }
  return built;
}

/** The sidecar in a process of its own. */
export interface SidecarUnderTest {
  /** From the start of the process until it was ready. */
  readonly startMsecs: number;
  usage(): Promise<SidecarUsage>;
  /** Resolves when all pushes are sent. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Runs the sidecar on this configuration, which it puts into `dir`; built, as it is installed. Options
 * for its Node, say --cpu-prof, come from BENCH_NODE_OPTIONS.
 */
export async function startSidecarUnderTest(
  dir: string,
  config: Record<string, Record<string, unknown>>,
): Promise<SidecarUnderTest> {
  const file = join(dir, 'bench.yaml');
  const quiet = { ...config, log: { level: 'warn' } };
  await writeFile(file, JSON.stringify(quiet), { mode: 0o600 });
  const execArgv = process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [];
  const program = join(build().path, 'test/bench/sidecar-process.js');
  const started = performance.now();
  const child = fork(program, [file], { execArgv });
  const ended = once(child, 'exit');
  const answer = async (): Promise<SidecarUsage> => {
    const [message] = (await Promise.race([
      once(child, 'message'),
      ended.then(() => {
        throw new Error('the sidecar ended');
      }),
    ])) as [SidecarUsage];
    return message;
  };
  await answer();
  const startMsecs = performance.now() - started;
  const usage = (): Promise<SidecarUsage> => {
    child.send('usage');
    return answer();
  };
  return {
    startMsecs,
    usage,
    idle: async () => {
      while ((await usage()).owed > 0) await sleep(2);
    },
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}
