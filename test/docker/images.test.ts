import assert from 'node:assert/strict';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { notRoot } from '../support/unprivileged.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = ['Dockerfile', 'docker/dovecot/Dockerfile', 'docker-compose.yml'] as const;
const IMAGE = /^(?<name>[a-z0-9./-]+):(?<tag>[A-Za-z0-9._-]+)(?<digest>@sha256:[0-9a-f]{64})?$/;

/** All images that the files name but those that a Dockerfile makes itself. */
async function imagesOf(root: string): Promise<string[]> {
  const images: string[] = [];
  for (const file of FILES) {
    const text = await readFile(join(root, file), 'utf8');
    const stages = [...text.matchAll(/^FROM .* AS (\S+)$/gm)].map(([, stage]) => stage);
    const found = [...text.matchAll(/^(?:FROM| *image:) *(\S+)/gm)].map(([, image = '']) => image);
    images.push(...found.filter((image) => !stages.includes(image)));
  }
  return images;
}

/** A copy of the files, in which the script finds a skopeo that answers with `digest`. */
async function pin(digest: string, ...args: string[]) {
  const dir = makeTempDir();
  await mkdir(join(dir.path, 'docker/dovecot'), { recursive: true });
  for (const file of FILES) await cp(join(ROOT, file), join(dir.path, file));
  await mkdir(join(dir.path, 'bin'));
  // Stands in for the registry, which is not to be asked in a test.
  const skopeo = join(dir.path, 'bin/skopeo');
  await writeFile(skopeo, `#!/bin/sh\necho "${digest}"\n`);
  await chmod(skopeo, 0o755);
  const path = `PATH=${join(dir.path, 'bin')}:${process.env['PATH'] ?? ''}`;
  const script = join(ROOT, 'scripts/pin-images.sh');
  const run = (...words: string[]) =>
    runCommand('env', [path, `COI_PIN_ROOT=${dir.path}`, 'sh', script, ...words]);
  return { dir, run, result: await run(...args) };
}

describe('the images that are built upon', () => {
  it('are named with a tag that says a version, the same everywhere, and with a digest or none', async (t) => {
    const images = await imagesOf(ROOT);
    assert.ok(images.length >= 5);
    const byName = new Map<string, string>();
    for (const image of images) {
      const groups = IMAGE.exec(image)?.groups;
      assert.ok(groups, `${image}: not name:tag or name:tag@sha256:…`);
      assert.doesNotMatch(groups['tag'] ?? '', /^(latest|stable|main)$/, image);
      assert.equal(byName.get(groups['name'] ?? '') ?? image, image, 'one image, one version');
      byName.set(groups['name'] ?? '', image);
    }
    const without = images.filter((image) => !image.includes('@'));
    if (without.length > 0) t.diagnostic(`without a digest: ${[...new Set(without)].join(', ')}`);
  });

  it('get their digests from pin-images.sh, again and again', async () => {
    const [first, second] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
    const { dir, run, result } = await pin(first);
    try {
      assert.equal(result.exitCode, 0, result.stderr);
      const pinned = await imagesOf(dir.path);
      assert.deepEqual(
        pinned.filter((image) => !image.endsWith(`@${first}`)),
        [],
      );
      assert.match(
        await readFile(join(dir.path, 'Dockerfile'), 'utf8'),
        /@sha256:a{64} AS build$/m,
      );
      assert.equal((await run('--check')).exitCode, 0);
      await writeFile(join(dir.path, 'bin/skopeo'), `#!/bin/sh\necho ${second}\n`);
      assert.equal((await run()).exitCode, 0);
      assert.deepEqual(
        (await imagesOf(dir.path)).filter((image) => !image.endsWith(`@${second}`)),
        [],
      );
    } finally {
      dir.remove();
    }
  });

  it('are left as they are when the registry gives no digest', async () => {
    const { dir, result } = await pin('<html>not found</html>');
    try {
      assert.equal(result.exitCode, 3);
      assert.match(result.stderr, /no digest in/);
      assert.deepEqual(await imagesOf(dir.path), await imagesOf(ROOT));
    } finally {
      dir.remove();
    }
  });

  it('are told by --check where they have none', async () => {
    const { dir, run } = await pin('', '--check');
    try {
      const compose = join(dir.path, 'docker-compose.yml');
      const text = await readFile(compose, 'utf8');
      await writeFile(compose, text.replace(/@sha256:[0-9a-f]+/g, ''));
      const { exitCode, stderr } = await run('--check');
      assert.equal(exitCode, 3);
      assert.match(stderr, /NOT PINNED by digest: .*prom\/prometheus/);
    } finally {
      dir.remove();
    }
  });
});

describe('the Dockerfiles', () => {
  it('have nothing that Debian 12’s Podman (4.3) does not know', async () => {
    for (const file of ['Dockerfile', 'docker/dovecot/Dockerfile']) {
      const text = await readFile(join(ROOT, file), 'utf8');
      const [, options = ''] = /^HEALTHCHECK (.*?)\\$/m.exec(text) ?? [];
      const flags = options.match(/--[a-z-]+/g) ?? [];
      assert.deepEqual(flags.sort(), ['--interval', '--start-period', '--timeout'], file);
      assert.doesNotMatch(text, /^(?:COPY|ADD|RUN) .*(?:<<|--link|--mount=type=cache)/m, file);
    }
  });
});

/** Those that the base images have already: Debian's own, and the user of Node's image. */
const PASSWD = 'root:x:0:0::/root:/bin/sh\nmail:x:8:8::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n';
const GROUP = 'root:x:0:\nmail:x:8:\nman:x:12:\nnode:x:1000:\n';

describe('the numbers of the users', { skip: notRoot }, () => {
  for (const [file, names] of [
    ['Dockerfile', ['coi-sidecar', 'vmail']],
    ['docker/dovecot/Dockerfile', ['vmail']],
  ] as const) {
    for (const [uid, gid] of [
      [5000, 5000],
      [1000, 1000],
      [8, 12],
    ] as const) {
      it(`${file}: mail of ${uid} and ${gid}, whoever has them in the base image`, async () => {
        const dir = makeTempDir();
        try {
          await mkdir(join(dir.path, 'etc'));
          await writeFile(join(dir.path, 'etc/passwd'), PASSWD);
          await writeFile(join(dir.path, 'etc/group'), GROUP);
          const text = await readFile(join(ROOT, file), 'utf8');
          const commands = text.match(/(?:group|user)add --[^\\\n]*/g) ?? [];
          assert.equal(commands.length, 1 + names.length);
          // As the build runs them, but in a root of their own.
          const script = commands
            .map((command) => command.replace('add ', `add --prefix ${dir.path} `))
            .join(' && ');
          const variables = [`MAIL_UID=${uid}`, `MAIL_GID=${gid}`, 'SERVICE_UID=9380'];
          const { exitCode, stderr } = await runCommand('env', [...variables, 'sh', '-c', script]);
          assert.equal(exitCode, 0, stderr);
          const passwd = await readFile(join(dir.path, 'etc/passwd'), 'utf8');
          for (const name of names) {
            const number = name === 'vmail' ? uid : 9380;
            assert.match(passwd, RegExp(`^${name}:[x!]:${number}:${gid}:`, 'm'));
          }
        } finally {
          dir.remove();
        }
      });
    }
  }

  it('are refused where the service would be root or the owner of the mail', async () => {
    const text = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
    const [, script = ''] = /^RUN (\{ \[ "\$SERVICE_UID"[\s\S]*?\n *\|\| .*)$/m.exec(text) ?? [];
    const build = (uid: string) =>
      runCommand('env', ['MAIL_UID=5000', `SERVICE_UID=${uid}`, 'sh', '-c', script]);
    assert.equal((await build('9380')).exitCode, 0);
    for (const uid of ['0', '00', '5000', 'vmail', '']) {
      const { exitCode, stderr } = await build(uid);
      assert.equal(exitCode, 1, uid);
      assert.match(stderr, /neither 0 nor MAIL_UID/);
    }
  });
});
