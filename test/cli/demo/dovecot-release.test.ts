import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type DovecotRelease,
  type DovecotVersion,
  findDovecotRelease,
} from '../../../src/cli/demo/dovecot-release.ts';

/**
 * One machine has one Dovecot installed: here a program of that name only says which, and a root
 * only has the stamp that its script writes last.
 */
describe('which Dovecot is run', () => {
  const { PATH: path, XDG_CACHE_HOME: cache } = process.env;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-release-'));
  });
  after(async () => {
    process.env['PATH'] = path;
    if (cache === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = cache;
    await rm(dir, { recursive: true });
  });

  let machines = 0;
  const onMachine = async (
    installed: string | null,
    roots: readonly string[],
    asked?: DovecotVersion,
  ): Promise<DovecotRelease | null> => {
    const at = join(dir, String(++machines));
    await mkdir(join(at, 'bin'), { recursive: true });
    if (installed !== null) {
      const says = `#!/bin/sh\necho '${installed} (0123456789)'\n`;
      await writeFile(join(at, 'bin', 'dovecot'), says, { mode: 0o755 });
    }
    for (const root of roots) {
      await mkdir(join(at, 'coi-sidecar', root), { recursive: true });
      await writeFile(join(at, 'coi-sidecar', root, '.coi-sidecar-root'), '1\n');
    }
    process.env['PATH'] = join(at, 'bin');
    process.env['XDG_CACHE_HOME'] = at;
    return findDovecotRelease(asked);
  };
  /** Whether it runs in a root, and in which. */
  const place = (release: DovecotRelease | null): string => {
    const [file, args] = release?.commandLine('doveconf', ['-n']) ?? ['', []];
    return file === 'doveconf'
      ? 'installed'
      : (/\/(bookworm|trixie) /.exec(args.join(' '))?.[1] ?? '');
  };

  for (const [installed, version] of [
    ['2.3.19.1', '2.3'],
    ['2.4.1-4', '2.4'],
  ] as const) {
    test(`without a word on the version the installed one: ${installed}`, async () => {
      const release = await onMachine(installed, ['bookworm', 'trixie']);
      assert.equal(release?.version, version);
      assert.equal(place(release), 'installed');
    });
  }

  for (const [installed, asked, root] of [
    ['2.3.19.1', '2.4', 'trixie'],
    ['2.4.1-4', '2.3', 'bookworm'],
  ] as const) {
    test(`${asked} beside ${installed} runs in its root, and only there`, async () => {
      const release = await onMachine(installed, ['bookworm', 'trixie'], asked);
      assert.equal(release?.version, asked);
      assert.equal(place(release), root);
      assert.equal(await onMachine(installed, [], asked), null);
    });
  }

  test('with none installed a root is as good, and with none at all there is none', async () => {
    for (const [root, version] of [
      ['bookworm', '2.3'],
      ['trixie', '2.4'],
    ] as const) {
      const release = await onMachine(null, [root]);
      assert.equal(release?.version, version);
      assert.equal(place(release), root);
    }
    assert.equal(await onMachine(null, []), null);
    assert.equal(await onMachine('2.2.36', []), null);
  });
});
