import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createAliveMarker } from '../../../src/events/ox-road/alive-marker.ts';
import { recordLog } from '../../support/record-log.ts';
import { eventually } from '../../support/start-stage.ts';

describe('up to when the service has seen everything', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-alive-'));
    await mkdir(join(dir, 'events'));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const marker = (at: () => number, log = recordLog().log) =>
    createAliveMarker({ dir: join(dir, 'events'), oldDir: dir, caughtUp: at, log });

  it('is unknown before the first start', async () => {
    assert.equal(await marker(Date.now).read(), undefined);
  });

  it('is known from where it stood before the event logs', async () => {
    await writeFile(join(dir, '.alive'), '');
    await utimes(join(dir, '.alive'), 1_700_000_000, 1_700_000_000);
    assert.equal(await marker(Date.now).read(), 1_700_000_000_000);
  });

  it('is known after a stop, to the millisecond', async () => {
    let now = 1_700_000_000_123;
    const first = marker(() => now);
    first.start();
    now += 60_000;
    await first.stop();
    assert.equal(await marker(Date.now).read(), 1_700_000_060_123);
  });

  it('never goes back, however soon the stop comes', async () => {
    for (let round = 0; round < 50; round++) {
      let now = 1_700_000_000_000 + round * 1_000;
      const one = marker(() => now++);
      one.start();
      await one.stop();
      assert.equal(await marker(Date.now).read(), now - 1);
    }
  });

  it('is known after a crash, too', async () => {
    const first = marker(() => 1_700_000_000_000);
    first.start();
    await eventually(async () => {
      assert.equal(await marker(Date.now).read(), 1_700_000_000_000);
    });
    await first.stop();
  });

  it('stays as it was while the service has not caught up', async () => {
    const first = marker(() => 1_700_000_000_000);
    first.start();
    await first.stop();
    await marker(() => 1_800_000_000_000).stop();
    assert.equal(await marker(Date.now).read(), 1_700_000_000_000);
  });

  it('that cannot be noted is said to be', async () => {
    const recorded = recordLog();
    const lost = createAliveMarker({
      dir: join(dir, 'gone'),
      oldDir: dir,
      caughtUp: Date.now,
      log: recorded.log,
    });
    lost.start();
    await lost.stop();
    assert.match(recorded.said('warn').join(), /cannot note/);
  });
});
