import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildSource } from '../../support/build-source.ts';

const SOURCE = new URL('../../../src/cli/watchdog/start-watchdog.ts', import.meta.url).href;

interface Run {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

interface RunOptions {
  meanwhile?: (pid: number) => Promise<void>;
  /** Where the watchdog comes from. */
  module?: string;
  /** What the program is run by. */
  runner?: string[];
}

/** Runs a program that the watchdog watches. */
async function run(
  timeoutMsecs: number,
  program: string,
  { meanwhile, module = SOURCE, runner = [] }: RunOptions = {},
): Promise<Run> {
  const script = `
    const { startWatchdog } = await import(${JSON.stringify(module)});
    startWatchdog(${timeoutMsecs}, { warn: (...said) => console.log(said.at(-1)) });
    const spin = (msecs) => { for (const end = performance.now() + msecs; performance.now() < end;); };
    const sleep = (msecs) => new Promise((resolve) => setTimeout(resolve, msecs));
    await sleep(1_000); // until the thread is there
    console.log('begun');
    ${program}`;
  const [file, ...args] = [...runner, process.execPath, '--input-type=module', '-e', script];
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const output = text(child.stdout);
  if (meanwhile !== undefined) {
    await once(child.stdout, 'data');
    await meanwhile(child.pid ?? 0);
  }
  const [exitCode, signal] = await ended;
  return { exitCode, signal, output: await output };
}

describe('the watchdog', () => {
  it('ends a process whose event loop hangs in code, and says where', async () => {
    const { signal, output } = await run(1_000, 'function guilty() { spin(40_000) }; guilty();');
    assert.equal(signal, 'SIGKILL');
    const [line = ''] = output.split('\n').filter((it) => it.startsWith('{'));
    const { level, msg, stack, seconds } = JSON.parse(line) as Record<string, unknown>;
    assert.equal(level, 'fatal');
    assert.match(String(msg), /^the event loop hangs: .*watchdog\.timeout/);
    assert.match(String(stack), /spin \(.*guilty \(/);
    assert.equal(seconds, 1);
  });

  it('ends one that waits for the system for ever', async () => {
    // Nobody ever writes to its standard input.
    const wait = "(await import('node:fs')).readSync(0, Buffer.alloc(1));";
    const { signal, output } = await run(1_000, wait);
    assert.equal(signal, 'SIGKILL');
    assert.match(output, /"stack":\[\],.*the event loop hangs/);
  });

  it('lets one be that is busy, as long as its event loop turns now and then', async () => {
    const busy = 'for (let n = 0; n < 5; n++) { spin(900); await sleep(1) }; process.exit(7);';
    const { exitCode, output } = await run(3_000, busy);
    assert.equal(output, 'begun\n');
    assert.equal(exitCode, 7);
  });

  it('lets one be that was stopped for longer than that, as by a machine that is suspended', async () => {
    // By the processor's time, so that it is in the middle of it when it goes on.
    const compute = `
      const used = () => { const { user, system } = process.cpuUsage(); return user + system };
      for (const until = used() + 300_000; used() < until;);
      process.exit(7);`;
    const { exitCode, output } = await run(6_000, compute, {
      meanwhile: async (pid) => {
        process.kill(pid, 'SIGSTOP');
        await sleep(8_000);
        process.kill(pid, 'SIGCONT');
      },
    });
    assert.equal(output, 'begun\n');
    assert.equal(exitCode, 7);
  });

  it('keeps no process alive that has nothing to do', async () => {
    assert.equal((await run(30_000, '')).exitCode, 0);
  });

  it('is not there with a time-out of 0', async () => {
    const threads = `
      let made = 0;
      process.on('worker', () => made++);
      startWatchdog(0, console);
      await sleep(50);
      process.exit(made);`;
    assert.equal((await run(0, threads)).exitCode, 0);
  });

  const notRoot = process.getuid?.() !== 0 && 'only root can make a namespace of processes';
  it('says that it cannot end the first process of a container', { skip: notRoot }, async () => {
    const runner = ['unshare', '--pid', '--fork', '--mount-proc'];
    const { exitCode, output } = await run(1_000, 'spin(2_500); process.exit(7);', { runner });
    assert.equal(exitCode, 7);
    assert.match(output, /^no watchdog: .*tini/);
  });

  it('starts from a build', async () => {
    const built = buildSource(['src/{logging,standard-output}.ts', 'src/cli/watchdog/*.ts']);
    after(built.remove);
    const module = `${built.path}/src/cli/watchdog/start-watchdog.js`;
    const { signal, output } = await run(1_000, 'spin(40_000)', { module });
    assert.equal(signal, 'SIGKILL');
    assert.match(output, /"stack":\[.*"spin /);
  });

  it('ends nothing when it cannot be there, and says so', async () => {
    const built = buildSource(['src/cli/watchdog/start-watchdog.ts']); // without its thread
    after(built.remove);
    const module = `${built.path}/src/cli/watchdog/start-watchdog.js`;
    const { exitCode, output } = await run(1_000, 'process.exit(7);', { module });
    assert.equal(exitCode, 7);
    assert.match(output, /no watchdog any more/);
  });
});
