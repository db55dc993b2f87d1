import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { registerConfiguration, watchShown } from './secret-watch.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The sidecar as an operator runs it: a process of its own. */
export interface SpawnedSidecar {
  readonly process: ChildProcess;
  /** Its log so far, one JSON object a line. */
  log(): string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<unknown>;
  /** SIGTERM, then waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, then waits for the end. */
  kill(): Promise<void>;
}

export interface StartingSidecar extends SpawnedSidecar {
  /** Resolves when it says that it is ready; rejects with its log when it ends before. */
  readonly ready: Promise<void>;
}

/** Starts `coi-sidecar serve` and resolves when it says that it is ready. */
export async function spawnSidecar(
  dir: string,
  config: Record<string, Record<string, unknown>>,
  env: NodeJS.ProcessEnv = {},
): Promise<SpawnedSidecar> {
  const sidecar = await launchSidecar(dir, config, env);
  await sidecar.ready;
  return sidecar;
}

/** Starts `coi-sidecar serve` and does not wait for it. */
export async function launchSidecar(
  dir: string,
  config: Record<string, Record<string, unknown>>,
  env: NodeJS.ProcessEnv = {},
): Promise<StartingSidecar> {
  const file = join(dir, 'coi-sidecar.yaml');
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  // The kernel ends it with this process, even one that is killed or that a time-out ends.
  const program = ['--pdeathsig', 'KILL', process.execPath, MAIN, 'serve', '--config', file];
  const child = spawn('setpriv', program, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  registerConfiguration(config);
  watchShown('log of the service', () => log);
  const ended = once(child, 'exit');
  const ready = new Promise<void>((resolve, reject) => {
    const take = (text: string): void => {
      log += text;
      if (log.includes('coi-sidecar is ready')) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    void ended.then(() => reject(new Error(`the sidecar ended: ${log}`)));
  });
  ready.catch(() => undefined); // whoever waits for it hears of it
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  return {
    process: child,
    ...{ ready, ended },
    log: () => log,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}
