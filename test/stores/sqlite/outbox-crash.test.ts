import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);

const MODULE = new URL('../../../src/stores/sqlite/sqlite-outbox-store.ts', import.meta.url).href;
const ROUNDS = 4;

/**
 * Adds pushes, 20 calls in flight, and prints id and dedupe key of each at once when its `add` has
 * resolved.
 */
const script = (path: string, round: number): string => `
  const { writeSync } = await import('node:fs');
  const { openSqliteOutboxStore } = await import(${JSON.stringify(MODULE)});
  const outbox = await openSqliteOutboxStore(${JSON.stringify(path)}, { rememberMsecs: 0 });
  let serial = 0;
  const work = async () => {
    for (;;) {
      const owed = await outbox.add([1, 2].map(() => ({
        user: 'u', subscriptionId: 's', endpoint: 'https://e', kind: 'message', payload: 'x'.repeat(900),
        urgency: 'high', createdAt: 1, expiresAt: 2, dedupeKey: '${round}/' + serial++,
      })));
      writeSync(1, owed.map(({ id, dedupeKey }) => id + ' ' + dedupeKey + '\\n').join(''));
    }
  };
  writeSync(1, 'open\\n');
  await Promise.all(Array.from({ length: 20 }, work));`;

describe('the outbox after SIGKILL at any moment', () => {
  it('still owes every push whose add had resolved', async () => {
    const path = `${directory.path}/outbox.db`;
    const promised = new Map<number, string>();
    for (let round = 0; round < ROUNDS; round++) {
      const log = `${directory.path}/log${round}`;
      const output = openSync(log, 'w');
      const child = spawn(process.execPath, ['--input-type=module', '-e', script(path, round)], {
        stdio: ['ignore', output, 'inherit'],
      });
      after(() => child.kill('SIGKILL'));
      while (statSync(log).size === 0 && child.exitCode === null) await sleep(5);
      await sleep(20 + Math.random() * 150);
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      assert.deepEqual(await exit, [null, 'SIGKILL']);
      closeSync(output);
      for (const line of readFileSync(log, 'utf8').split('\n').slice(1, -1)) {
        const [id, key] = line.split(' ');
        promised.set(Number(id), key!);
      }
      const outbox = await openSqliteOutboxStore(path, { rememberMsecs: 0 });
      const owed = new Map<number, string>();
      for (let last = 0; ;) {
        const page = await outbox.page(last, 1000);
        for (const push of page) owed.set((last = push.id), push.dedupeKey);
        if (page.length === 0) break;
      }
      for (const [id, key] of promised) assert.equal(owed.get(id), key, `round ${round}`);
      // Both pushes of a call or neither.
      assert.equal(owed.size % 2, 0);
      await outbox.close();
    }
    assert(promised.size > 100, `${promised.size} pushes`);
  });
});
