import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import { type CommandResult, runCommand } from '../../src/cli/demo/run-command.ts';
import { LUA_SCRIPTS } from '../../src/cli/lua-scripts.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What npm says when it has no way to a package, and none in its cache. */
const NO_NETWORK =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT/;

const npm = (args: readonly string[], cwd: string): Promise<CommandResult> =>
  runCommand('sh', ['-c', 'cd "$0" && exec npm "$@"', cwd, ...args], { timeoutMsecs: 120_000 });

/**
 * A copy of the checkout to pack in, so that `dist` of the real one stays as it is. Types are left
 * to `npm run typecheck`, which everything passes anyway.
 */
async function copyCheckout(target: string): Promise<void> {
  const left = new Set(['node_modules', 'dist', '.git', 'coverage']);
  await cp(ROOT, target, {
    recursive: true,
    filter: (source) => !left.has(basename(source)) && !/\.(tgz|deb|sock)$/.test(source),
  });
  await symlink(join(ROOT, 'node_modules'), join(target, 'node_modules'));
  const file = join(target, 'tsconfig.build.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { compilerOptions: object };
  config.compilerOptions = { ...config.compilerOptions, noCheck: true };
  await writeFile(file, JSON.stringify(config));
}

describe('the npm package', () => {
  let dir: string;
  let packed: string[];
  let program: string;
  let unreachable: string | undefined;
  const run = (...args: string[]): Promise<CommandResult> =>
    runCommand(program, args, { timeoutMsecs: 60_000 });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-npm-'));
    const checkout = join(dir, 'checkout');
    await copyCheckout(checkout);
    const pack = await npm(['pack', '--json', '--pack-destination', dir], checkout);
    assert.equal(pack.exitCode, 0, pack.stderr);
    const said = pack.stdout.slice(pack.stdout.indexOf('['));
    const [tarball] = JSON.parse(said) as [{ filename: string; files: { path: string }[] }];
    packed = tarball.files.map(({ path }) => path).sort();

    const prefix = join(dir, 'prefix');
    const install = await npm(
      ['install', '--global', '--prefix', prefix, '--prefer-offline', join(dir, tarball.filename)],
      dir,
    );
    if (install.exitCode !== 0 && NO_NETWORK.test(install.stderr)) {
      unreachable = 'npm reaches no packages from here';
    } else {
      assert.equal(install.exitCode, 0, install.stderr);
    }
    program = join(prefix, 'bin', 'coi-sidecar');
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const skipped = (t: TestContext): boolean => {
    if (unreachable !== undefined) t.skip(unreachable);
    return unreachable !== undefined;
  };

  it('holds what runs and what an admin copies, and nothing of the development', async () => {
    const allowed =
      /^(dist\/.+\.js|lua\/coi(-report|-changes|-event-log|-shared)?\.lua|web\/.+|docs\/(doctor|troubleshooting)\.md|dovecot-conf\/.+|packaging\/coi-sidecar\.(service|socket|sysusers|tmpfiles)|config\.example\.yaml|package\.json|(README|CHANGELOG)\.md|LICENSE)$/;
    assert.deepEqual(
      packed.filter((path) => !allowed.test(path)),
      [],
    );
    const needed = [
      'dist/main.js',
      ...LUA_SCRIPTS.map((name) => `lua/${name}`),
      'dovecot-conf/sieve/coi.sieve',
      ...['service', 'socket', 'sysusers', 'tmpfiles'].map(
        (kind) => `packaging/coi-sidecar.${kind}`,
      ),
    ];
    const read = [
      'web/status.css',
      'web/status.js',
      'web/icon.svg',
      'docs/doctor.md',
      'docs/troubleshooting.md',
    ];
    for (const path of [...needed, ...read]) {
      assert.ok(packed.includes(path), path);
    }
    const sources = (await readdir(join(dir, 'checkout/src'), { recursive: true }))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
      .map((path) => `dist/${path.replace(/\.ts$/, '.js')}`);
    assert.deepEqual(
      sources.filter((path) => !packed.includes(path)),
      [],
    );
  });

  it('--help lists the commands', async (t) => {
    if (skipped(t)) return;
    const { exitCode, stdout, stderr } = await run('--help');
    assert.equal(stderr, '');
    assert.equal(exitCode, 0);
    assert.match(stdout, /^usage: coi-sidecar <command>/);
    for (const command of ['serve', 'check', 'demo'])
      assert.match(stdout, RegExp(`^  ${command} `, 'm'));
  });

  it('check takes the example once the required options are set, and names them before', async (t) => {
    if (skipped(t)) return;
    const shipped = join(dir, 'prefix/lib/node_modules/coi-sidecar/config.example.yaml');
    const bare = await run('check', '--config', shipped);
    assert.equal(bare.exitCode, 1);
    assert.match(bare.stderr, /http\.token/);
    assert.match(bare.stderr, /doveadm\.api_key/);

    const file = join(dir, 'coi-sidecar.yaml');
    const example = await readFile(shipped, 'utf8');
    await writeFile(
      file,
      example
        .replace('  token: ""', '  token: "0123456789abcdef0123456789abcdef"')
        .replace('  api_key: ""', '  api_key: "0123456789abcdef0123456789abcdef"'),
    );
    const good = await run('check', '--config', file);
    assert.equal(good.stderr, '');
    assert.equal(good.exitCode, 0);
  });

  it('serve runs, its writer thread included, and stops when asked', async (t) => {
    if (skipped(t)) return;
    const state = join(dir, 'state');
    await mkdir(join(state, 'events'), { recursive: true });
    const url = `http://127.0.0.1:${await findFreePort()}`;
    const file = join(state, 'coi-sidecar.yaml');
    const config = {
      http: {
        listen: new URL(url).host,
        token: '0123456789abcdef0123456789abcdef',
        admin_token: 'fedcba9876543210fedcba9876543210',
      },
      dict: { socket: join(state, 'dict.sock') },
      sieve: { socket: join(state, 'classify') },
      store: { url: `sqlite:${join(state, 'state.db')}` },
      outbox: { path: join(state, 'outbox.db') },
      doveadm: { url: 'http://127.0.0.1:9/doveadm/v1', api_key: '0123456789abcdef' },
      events: { dir: join(state, 'events') },
      spool: { dir: join(state, 'spool') },
    };
    await writeFile(file, JSON.stringify(config));
    const child = spawn(program, ['serve', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += String(chunk)));
    }
    try {
      await waitFor(async () => {
        assert.equal(child.exitCode, null, output);
        assert.equal((await fetch(`${url}/healthz`)).status, 200);
      });
      const { checks } = (await (await fetch(`${url}/readyz`)).json()) as {
        checks: Record<string, string>;
      };
      assert.equal(checks['store'], 'ok', output);
      assert.equal(checks['outbox'], 'ok', output);
      const page = await fetch(url, {
        headers: { authorization: 'Bearer fedcba9876543210fedcba9876543210' },
      });
      const [style = ''] = /\/status\.css\?\w+/.exec(await page.text()) ?? [];
      assert.notEqual(style, '', 'the status page is complete');
      child.kill('SIGTERM');
      assert.equal(await ended, 0, output);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('demo finds the shipped script and snippets', async (t) => {
    if (skipped(t)) return;
    if ((await findDovecotRelease()) === null) {
      t.skip('no Dovecot here: run scripts/setup.sh');
      return;
    }
    const { exitCode, stdout, stderr } = await run('demo');
    assert.equal(exitCode, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /Everything did what it should/);
  });
});

async function waitFor(attempt: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
