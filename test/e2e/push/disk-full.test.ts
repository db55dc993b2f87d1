import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { recordLog, type RecordedLog } from '../../support/record-log.ts';
import { mountSmallDisk, noSmallDisks, type SmallDisk } from '../../support/small-disk.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import { listed, newId, pathOf, register, set, subscription } from '../conformance/steps.ts';
import { brokenParts, deliverBoth, isReady, newReader, nothingIsLost } from './steps.ts';

describe('a full disk', { skip: noSmallDisks }, () => {
  const disks = { store: 'state.db', outbox: 'outbox.db', events: '' };
  for (const part of Object.keys(disks) as (keyof typeof disks)[]) {
    it(`${part}: said, nothing lost, and over when there is space`, async () => {
      await onSmallDisk([part], async (stage, disk, log) => {
        const reader = await newReader(stage);
        disk.fill();
        await deliverBoth(stage, reader);
        const broken = await brokenParts(stage);
        assert.deepEqual(Object.keys(broken), [part]);
        assert.match(broken[part] ?? '', /full|ENOSPC/);
        if (part === 'store') {
          const { status } = await reader.client.setMetadata('', '/private/comment', 'x');
          assert.equal(status, 'NO', 'what cannot be kept is refused');
        }
        if (part === 'outbox') {
          assert.match(log.said('error').join(), /held in memory/);
          assert.match(stage.dovecot.errors().join(), /they wait in the event log/);
        }
        disk.free();
        await isReady(stage);
        await deliverBoth(stage, reader);
        await nothingIsLost(reader);
      });
    });
  }

  it('all of them on one disk: nothing is lost as long as the process lives', async () => {
    await onSmallDisk(['store', 'outbox', 'events'], async (stage, disk, log) => {
      const reader = await newReader(stage);
      disk.fill();
      await deliverBoth(stage, reader);
      assert.deepEqual(Object.keys(await brokenParts(stage)).sort(), ['events', 'outbox', 'store']);
      assert.match(log.said('error').join(), /held in memory/);
      disk.free();
      await isReady(stage);
      await nothingIsLost(reader);
    });
  });

  it('while a subscription is validated: NO, and the same text is taken when there is space', async () => {
    await onSmallDisk(['store', 'outbox'], async (stage, disk) => {
      const reader = await newReader(stage);
      const { client, agent } = reader;
      const id = newId();
      const token = await register(client, agent, {}, id);
      const other = newId();
      disk.fill();
      const refused = await client.setMetadata('', `${pathOf(id)}/validate`, token);
      assert.equal(refused.status, 'NO');
      const resource = subscription(agent);
      assert.equal((await client.setMetadata('', pathOf(other), resource)).status, 'NO');
      assert.notEqual((await listed(client, id))?.['validated'], true);
      assert.equal(await listed(client, other), null);
      disk.free();
      await isReady(stage);
      await set(client, `${pathOf(id)}/validate`, token);
      assert.equal((await listed(client, id))?.['validated'], true);
      assert.equal(agent.waiting, 0, 'nothing was pushed for what is not kept');
    });
  });

  async function onSmallDisk(
    parts: readonly (keyof typeof disks)[],
    work: (stage: Stage, disk: SmallDisk, log: RecordedLog) => Promise<void>,
  ): Promise<void> {
    const disk = mountSmallDisk();
    const recorded = recordLog();
    const { dir } = disk;
    const stage = await startStage({
      log: recorded.log,
      ...(parts.includes('events') && { eventsDir: join(dir, 'events') }),
      config: {
        ...(parts.includes('store') && { store: { url: `sqlite:${join(dir, 'state.db')}` } }),
        ...(parts.includes('outbox') && { outbox: { path: join(dir, 'outbox.db') } }),
        spool: { poll_interval: '500 msecs' },
      },
    });
    try {
      await work(stage, disk, recorded);
    } finally {
      await stage.close();
      disk.unmount();
    }
  }
});
