import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeTempDir } from '../make-temp-dir.ts';

/** Why the tests with a real server are left out, or false. */
export const redisIsMissing =
  spawnSync('redis-server', ['--version']).status === 0 ? false : 'redis-server is not installed';

const PASSWORD = 'p@ss:word/ü';

/** A private Redis server on a port of its own, with a password, nothing on disk but its log. */
export class RedisServer {
  readonly port: number;
  readonly #directory = makeTempDir();
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, options: readonly string[]) {
    this.port = port;
    this.#options = options;
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(await findPort(), options);
    await server.start();
    return server;
  }

  url(database = 0): string {
    return `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/${database}`;
  }

  /** @param more options, for this time */
  async start(...more: string[]): Promise<void> {
    const options = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--requirepass', PASSWORD];
    this.#process = spawn(
      'redis-server',
      [...options, '--save', '', '--appendonly', 'no', ...this.#options, ...more],
      { cwd: this.#directory.path, stdio: 'ignore' },
    );
    // A test that fails before it cleans up must neither hang its run nor leave a server behind.
    this.#process.unref();
    const kill = (): void => this.signal('SIGKILL');
    process.once('exit', kill);
    this.#process.once('exit', () => process.off('exit', kill));
    for (let attempt = 0; !(await accepts(this.port)); attempt++) {
      if (attempt === 200) throw new Error('redis-server does not start');
      await sleep(25);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await exit;
  }

  async dispose(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
