import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { mountSmallDisk, noSmallDisks } from '../support/small-disk.ts';
import { launchSidecar, type StartingSidecar } from '../support/spawn-sidecar.ts';
import { eventually } from '../support/start-stage.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { teardownOf } from '../support/create-teardown.ts';

describe('a start on a full disk', { skip: noSmallDisks }, () => {
  for (const end of ['kill', 'stop'] as const) {
    it(`succeeds after a ${end}, says so in /readyz, and all is well when there is space`, async (test) => {
      const directory = makeTempDir();
      teardownOf(test).defer(directory.remove);
      const disk = mountSmallDisk('4m');
      teardownOf(test).defer(() => disk.unmount());
      const { dir } = disk;
      const config = {
        http: { listen: '127.0.0.1:0', token: 'a-token-for-dovecot' },
        dict: { socket: `${directory.path}/dict.sock` },
        sieve: { socket: `${directory.path}/classify` },
        store: { url: `sqlite:${dir}/state.db` },
        outbox: { path: `${dir}/outbox.db` },
        events: { dir: join(dir, 'events') },
        spool: { dir },
        doveadm: { url: 'http://127.0.0.1:1/doveadm/v1', api_key: 'a-key' },
      };
      const start = async (): Promise<StartingSidecar> => {
        const sidecar = await launchSidecar(directory.path, config);
        teardownOf(test).defer(() => sidecar.kill());
        await sidecar.ready;
        return sidecar;
      };
      const first = await start();
      await first[end]();
      disk.fill();
      const second = await start();
      const { url } = JSON.parse(
        second
          .log()
          .split('\n')
          .find((line) => line.includes('coi-sidecar is ready')) ?? '{}',
      ) as { url: string };
      const checks = async (): Promise<Record<string, string>> =>
        ((await (await fetch(`${url}/readyz`)).json()) as { checks: Record<string, string> })
          .checks;
      const full = await checks();
      assert.match(full['store'] ?? '', /file system is full/);
      assert.match(full['outbox'] ?? '', /file system is full/);
      disk.free();
      await eventually(async () => {
        const { store, outbox } = await checks();
        assert.deepEqual([store, outbox], ['ok', 'ok']);
      });
      await second.stop();
      assert.equal(second.process.exitCode, 0);
    });
  }
});
