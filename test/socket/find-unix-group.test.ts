import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findUnixGroup } from '../../src/socket/find-unix-group.ts';

describe('findUnixGroup', () => {
  let folder: string;
  let groupFile: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'group-'));
    groupFile = join(folder, 'group');
    await writeFile(groupFile, 'root:x:0:\nvmail:x:5000:anna,bob\n+nis::bad:\nvmail2:x:5001:\n');
  });
  after(() => rm(folder, { recursive: true }));

  for (const [group, id] of [
    ['vmail', 5000],
    ['root', 0],
    ['vmail2', 5001],
    ['1234', 1234],
  ] as const) {
    test(`${group} is ${id}`, async () => {
      assert.equal(await findUnixGroup(group, groupFile), id);
    });
  }

  for (const group of ['vmai', 'anna', '', '+nis', '-1', '99999999999']) {
    test(`"${group}" is no group`, async () => {
      await assert.rejects(findUnixGroup(group, groupFile), {
        name: 'InvalidInputError',
        message: new RegExp(`no group "${group.replace('+', '\\+')}" in `),
      });
    });
  }
});
