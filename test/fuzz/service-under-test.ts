import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../support/make-certificates.ts';
import type { AnyAnswerService } from './any-answer-service.ts';
import type { Target } from './door.ts';
import type { DoveadmJudge } from './doveadm-judge.ts';
import { createEventRoad } from './event-road.ts';
import { Finding, LogJudge } from './finding.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** More than the service may ever hold, in MiB; at rest it has about 150. */
export const MEMORY_MIB = 1_024;
/** A start over the state of a round takes a second or two. */
const START_MSECS = 60_000;
const STOP_MSECS = 60_000;

export interface Surroundings {
  push: AnyAnswerService;
  doveadm: DoveadmJudge;
  /** For the HTTP service; the same in every start. */
  port: number;
}

/** The service as an operator runs it, over a directory that holds all of its state. */
export class ServiceUnderTest {
  readonly dir: string;
  readonly target: Target;
  readonly log = new LogJudge();
  /** Set when it ended without being told to. */
  death: Finding | undefined;
  #process: ChildProcess | undefined;
  #told = false;

  constructor(dir: string, surroundings: Surroundings) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    const secret = (): string => randomBytes(24).toString('hex');
    const [token, adminToken, apiKey] = [secret(), secret(), secret()];
    const events = createEventRoad(join(dir, 'events'));
    const at = (name: string): string => join(dir, name);
    this.target = {
      http: { host: '127.0.0.1', port: surroundings.port },
      ...{ dictSocket: at('dict.sock'), scriptSocket: at('classify') },
      ...{ token, adminToken, events, push: surroundings.push },
      secrets: [token, adminToken, apiKey],
    };
    const config: Record<string, Record<string, unknown>> = {
      http: { listen: `127.0.0.1:${surroundings.port}`, token, admin_token: adminToken },
      dict: { socket: at('dict.sock') },
      sieve: { socket: at('classify') },
      store: { url: process.env['COI_FUZZ_STORE'] ?? `sqlite:${at('state.db')}` },
      outbox: { path: at('outbox.db') },
      doveadm: { url: surroundings.doveadm.url, api_key: apiKey },
      webpush: {
        allow_private_endpoints: ['localhost', '127.0.0.1'],
        ca_file: at('ca.pem'),
        subscription_limit: 100_000,
      },
      // What is refused is to be judged again and again, and nobody is to wait for it.
      abuse: { refusals: 1_000_000_000, pause: '0 s' },
      ...events.config,
    };
    writeFileSync(at('ca.pem'), makeCertificates().ca);
    writeFileSync(at('coi-sidecar.yaml'), JSON.stringify(config, null, 2), { mode: 0o600 });
  }

  /** @throws Finding it does not say that it is ready */
  async start(): Promise<void> {
    this.#told = false;
    const program = [
      process.execPath,
      MAIN,
      'serve',
      '--config',
      join(this.dir, 'coi-sidecar.yaml'),
    ];
    // The kernel ends it with this process.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const ended = once(child, 'exit').then(([code, signal]) => {
      if (!this.#told) {
        const how = `exit ${String(code)}, signal ${String(signal)}`;
        this.death = new Finding(
          'the service ended',
          `${how}\n${this.log.tail.slice(-20).join('\n')}`,
        );
      }
    });
    const ready = new Promise<void>((resolve) => {
      const onLine = (line: string): void => {
        if (line.includes('coi-sidecar is ready')) resolve();
      };
      this.log.watch(child.stdout, this.target.secrets, onLine);
      this.log.watch(child.stderr, this.target.secrets, onLine);
    });
    const late = new Promise<never>((_resolve, reject) => {
      const finding = new Finding('does not start', `not ready within ${START_MSECS} ms`);
      setTimeout(() => reject(finding), START_MSECS).unref();
    });
    await Promise.race([ready, ended, late]);
    if (this.death !== undefined) {
      throw new Finding('does not start', this.death.message);
    }
  }

  get running(): boolean {
    const { exitCode, signalCode } = this.#process ?? { exitCode: 1, signalCode: null };
    return exitCode === null && signalCode === null;
  }

  /** @throws Finding it does not end when it is told to */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.running) return;
    this.#told = true;
    const ended = once(child, 'exit').then(() => true);
    child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), STOP_MSECS);
    });
    if (!(await Promise.race([ended, late]))) {
      child.kill('SIGKILL');
      await ended;
      throw new Finding('does not stop', `not ended ${STOP_MSECS} ms after SIGTERM`);
    }
    clearTimeout(timer);
  }

  /** Resident memory now, and the most that it was, in MiB. */
  memory(): { now: number; most: number } {
    try {
      const status = readFileSync(`/proc/${this.#process?.pid ?? 0}/status`, 'utf8');
      const of = (name: string): number =>
        Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1_024);
      return { now: of('VmRSS'), most: of('VmHWM') };
    } catch {
      return { now: 0, most: 0 };
    }
  }
}
