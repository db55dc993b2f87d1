import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { createDescriptorWatch } from '../src/descriptor-watch.ts';
import { ManualClock } from './support/manual-clock.ts';
import { recordLog } from './support/record-log.ts';
import { eventually } from './support/start-stage.ts';
import { teardownOf } from './support/create-teardown.ts';

const HOUR = 3_600_000;

describe('the watch over file descriptors', () => {
  for (const [code, words] of [
    ['EMFILE', /the process has no file descriptor left: raise its limit/],
    ['ENFILE', /the machine has no file descriptor left/],
  ] as const) {
    it(`says ${code} once in the log, and for an hour to /readyz`, async () => {
      const clock = new ManualClock();
      const recorded = recordLog();
      let left = true;
      const watch = createDescriptorWatch(clock, recorded.log, () =>
        left ? Promise.resolve() : Promise.reject(Object.assign(new Error(code), { code })),
      );
      await watch.check();
      assert.equal(watch.remark(), undefined);
      left = false;
      for (let round = 0; round < 3; round++) await assert.rejects(watch.check(), words);
      left = true;
      await watch.check();
      await watch.check();
      assert.equal(recorded.said('error').length, 1);
      assert.match(recorded.said('error').join(), words);
      assert.equal(recorded.said('info').length, 1);
      assert.match(watch.remark() ?? '', words);
      await clock.advance(HOUR + 1);
      assert.equal(watch.remark(), undefined);
    });
  }

  it('sees it in a process whose connections take all there are', async (test) => {
    const script = `
      const { createDescriptorWatch } = await import(${JSON.stringify(new URL('../src/descriptor-watch.ts', import.meta.url).href)});
      const { systemClock } = await import(${JSON.stringify(new URL('../src/clock.ts', import.meta.url).href)});
      const { createServer } = await import('node:net');
      const say = (message) => console.log(message);
      createDescriptorWatch(systemClock, { error: say, info: say }).start();
      const server = createServer((socket) => socket.on('error', () => {}));
      server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));`;
    const limited = `ulimit -n 64 && exec "$0" --input-type=module -e "$1"`;
    const child = spawn('sh', ['-c', limited, process.execPath, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    teardownOf(test).defer(() => void child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await eventually(() => assert.match(output, /port \d+/), 20_000);
    const port = Number(/port (\d+)/.exec(output)?.[1]);
    const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => undefined);
    await once(sockets[0]!, 'connect');
    await eventually(() => assert.match(output, /no file descriptor left/), 20_000);
    for (const socket of sockets) socket.destroy();
    await eventually(() => assert.match(output, /there are file descriptors again/), 20_000);
  });
});
