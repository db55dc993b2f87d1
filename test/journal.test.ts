import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from './stores/make-temp-dir.ts';
import { teardownOf } from './support/create-teardown.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const JOURNALD = '/lib/systemd/systemd-journald';

/** A journald of its own, which sees nothing of this machine's files below /run. */
const PROLOGUE = `
  set -e
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/journal /run/log/journal
  [ ! -d /var/log/journal ] || mount -t tmpfs tmpfs /var/log/journal
  printf 0123456789abcdef0123456789abcdef >/run/machine-id
  mount --bind /run/machine-id /etc/machine-id
  ${JOURNALD} >/run/journald.log 2>&1 &
  until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done`;

/** As systemd starts a service. */
const SERVICE = `systemd-cat -t coi-sidecar sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1) exec "$@"' service`;

const inNamespace = (script: string, ...args: string[]) =>
  spawnSync(
    'unshare',
    [
      '--mount',
      '--mount-proc',
      '--pid',
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      script,
      'sh',
      ...args,
    ],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  );

const works = existsSync(JOURNALD) && inNamespace(`${PROLOGUE}; ${SERVICE} true`).status === 0;
const skip =
  !works && 'no journald here that can be started: it needs systemd, root and namespaces';

/** What `journalctl -p` shows of what a program writes. */
function journalOf(priority: string, ...program: string[]): string[] {
  const { stdout, stderr, status } = inNamespace(
    `${PROLOGUE}
     ${SERVICE} "$@" || true
     journalctl --sync
     journalctl -t coi-sidecar -p ${priority} -o cat --no-pager`,
    ...program,
  );
  assert.equal(status, 0, stderr);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('the log in the journal', { skip }, () => {
  const logging = JSON.stringify(new URL('../src/logging.ts', import.meta.url).href);
  // The first line's write is late: a thread of the pool, of which there is one, has something else to do.
  const script = `
    (await import('node:crypto')).pbkdf2('', '', 300_000, 64, 'sha512', () => undefined);
    const { createLogger } = await import(${logging});
    const log = createLogger('trace');
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) log[level](level);
    log.child({ of: 'a child' }).warn('warn of a child');`;
  const program = [
    'env',
    'UV_THREADPOOL_SIZE=1',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ];
  const all = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'warn of a child'];
  const words = (lines: readonly string[]): string[] =>
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg);

  it('is shown by priority, in its order, each line as it would stand in a file', () => {
    assert.deepEqual(words(journalOf('debug', ...program)), all);
    assert.deepEqual(words(journalOf('info', ...program)), all.slice(2));
    assert.deepEqual(words(journalOf('warning', ...program)), all.slice(3));
    assert.deepEqual(words(journalOf('err', ...program)), ['error', 'fatal']);
    assert.deepEqual(words(journalOf('crit', ...program)), ['fatal']);
  });

  it('has among the errors why the service cannot start', (test) => {
    const directory = makeTempDir();
    teardownOf(test).defer(directory.remove);
    const file = join(directory.path, 'coi-sidecar.yaml');
    writeFileSync(file, 'http: { lisen: "127.0.0.1:0" }\n');
    const main = join(ROOT, 'src/main.ts');
    const lines = journalOf('err', process.execPath, main, 'serve', '--config', file);
    assert.match(lines.join('\n'), /^coi-sidecar serve: .*http\.lisen/s);
    assert.ok(lines.every((line) => !line.startsWith('<')));
  });

  it('has no prefixes where it is not the journal that reads', () => {
    const env = { ...process.env, JOURNAL_STREAM: '1:2' };
    const [node = '', ...args] = program;
    const { stdout } = spawnSync(node, args, { encoding: 'utf8', env });
    assert.deepEqual(words(stdout.trimEnd().split('\n')), all);
  });
});
