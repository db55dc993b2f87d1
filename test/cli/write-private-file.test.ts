import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writePrivateFile } from '../../src/cli/write-private-file.ts';
import { InvalidInputError } from '../../src/errors.ts';

describe('a file of secrets', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-write-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('is for its owner alone', async () => {
    const path = join(dir, 'new');
    await writePrivateFile(path, Buffer.from('x'), { overwrite: false });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it('takes no other’s place unless told to, and leaves nothing lying about', async () => {
    const path = join(dir, 'old');
    await writeFile(path, 'old');
    const refused = writePrivateFile(path, Buffer.from('new'), { overwrite: false });
    await assert.rejects(refused, (error: Error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.match(error.message, /--overwrite/);
      return true;
    });
    assert.equal(await readFile(path, 'utf8'), 'old');
    await writePrivateFile(path, Buffer.from('new'), { overwrite: true });
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('replaces a symbolic link instead of following it', async () => {
    const target = join(dir, 'target');
    await writeFile(target, 'untouched');
    const path = join(dir, 'link');
    await symlink(target, path);
    await writePrivateFile(path, Buffer.from('x'), { overwrite: true });
    assert.equal(await readFile(target, 'utf8'), 'untouched');
    assert.equal(await readFile(path, 'utf8'), 'x');
  });

  const skip = process.getuid?.() !== 0 && 'only root can give a file away';
  it('belongs to the owner of its directory', { skip }, async () => {
    const home = await mkdtemp(join(dir, 'home-'));
    await chmod(home, 0o700);
    await chown(home, 8, 12);
    const path = join(home, 'dovecot-attributes');
    await writePrivateFile(path, Buffer.from('x'), { overwrite: false });
    const { uid, gid } = await stat(path);
    assert.deepEqual({ uid, gid }, { uid: 8, gid: 12 });
  });
});
