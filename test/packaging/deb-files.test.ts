import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mendLinks } from '../../scripts/mend-shipped-links.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { findOutbox } from '../../src/config/find-outbox.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { teardownOf } from '../support/create-teardown.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const MAKE_CONFIG = join(ROOT, 'packaging/deb/make-config');
const makeConfig = async (command = [MAKE_CONFIG]) => {
  const input = read('config.example.yaml');
  const [file = '', ...args] = command;
  const { exitCode, stdout, stderr } = await runCommand(file, args, { input });
  assert.equal(exitCode, 0, stderr);
  return readConfig(stdout);
};

/** Undefined where systemd is older than 250, or not there. */
const offlineAnalysis = ((): string | undefined => {
  const unit = join(ROOT, 'packaging/coi-sidecar.service');
  const args = ['security', '--offline=true', '--no-pager', unit];
  const ran = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return ran.status === 0 ? ran.stdout : undefined;
})();

// What installs and runs is tested by scripts/test-deb.sh; here is what drifts apart first.
describe('the files of the Debian package', () => {
  it('make a configuration that is complete, from the example as it is', async () => {
    const { http, doveadm, dict, sieve } = await makeConfig();
    assert.equal(doveadm.socket, '/run/dovecot/coi-doveadm');
    const secrets = [http.token, http.admin_token, doveadm.api_key];
    for (const secret of secrets) assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(new Set(secrets).size, 3);
    assert.equal(dict.group, 'coi-mail');
    assert.equal(sieve.group, 'coi-mail');
    assert.equal(http.group, 'coi-mail');
    // No port of Dovecot's that somebody could take while it is down.
    assert.equal(doveadm.url, 'unix:/run/dovecot/http');
    assert.notEqual((await makeConfig()).http.token, http.token);
  });

  it('show their secrets to nobody who looks at arguments and environments', async (test) => {
    const directory = makeTempDir();
    teardownOf(test).defer(directory.remove);
    const log = join(directory.path, 'log');
    // Whatever program it starts says how it was started, and then does its work.
    for (const name of ['cat', 'od', 'sed', 'tr', 'head', 'openssl', 'awk']) {
      const real = `PATH=/usr/bin:/bin; export PATH; exec ${name} "$@"`;
      const text = `#!/bin/sh\n{ printf '%s\\n' ${name} "$@"; env; } >>'${log}'\n${real}\n`;
      writeFileSync(join(directory.path, name), text, { mode: 0o755 });
    }
    const path = `PATH=${directory.path}:${process.env['PATH']}`;
    const { http, doveadm } = await makeConfig(['env', path, MAKE_CONFIG]);
    const shown = readFileSync(log, 'utf8');
    assert.match(shown, /^od$/m);
    for (const secret of [http.token, http.admin_token, doveadm.api_key]) {
      assert.ok(!shown.includes(secret), 'a secret was shown');
    }
  });

  it('leave nothing of the memory behind, and bound it', () => {
    const unit = read('packaging/coi-sidecar.service');
    for (const line of ['LimitCORE=0', 'CoredumpFilter=0', 'TasksMax=256', 'MemoryMax=2G']) {
      assert.match(unit, RegExp(`^${line}$`, 'm'));
    }
  });

  it(
    'sandbox the service: systemd finds little that is left',
    { skip: offlineAnalysis === undefined && 'no systemd-analyze that looks at files' },
    () => {
      const [, exposure] = /Overall exposure level.*?: (\d+\.\d)/.exec(offlineAnalysis ?? '') ?? [];
      // The network, chown for the sockets' group, systemd-notify, and V8's memory.
      assert.ok(Number(exposure) <= 1.8, `${exposure}`);
    },
  );

  it('take the port where the configuration has it', async () => {
    const { http } = await makeConfig();
    const socket = read('packaging/coi-sidecar.socket');
    assert.match(socket, RegExp(`^ListenStream=${http.listen}$`, 'm'));
    assert.match(socket, /^WantedBy=sockets\.target coi-sidecar\.service$/m);
    assert.match(socket, /^PropagatesStopTo=coi-sidecar\.service$/m);
  });

  it('agree on users, groups and directories', async () => {
    const config = await makeConfig();
    const unit = read('packaging/coi-sidecar.service');
    const settings = new Map(
      unit
        .split('\n')
        .filter((line) => /^\w+=/.test(line))
        .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    );
    const sysusers = read('packaging/coi-sidecar.sysusers');
    assert.match(sysusers, RegExp(`^u ${settings.get('User')} `, 'm'));
    assert.match(sysusers, RegExp(`^g ${settings.get('SupplementaryGroups')} `, 'm'));
    assert.equal(settings.get('SupplementaryGroups'), config.dict.group);
    assert.match(
      read('packaging/coi-sidecar.tmpfiles'),
      RegExp(
        `^d ${config.events.dir} 0710 ${settings.get('User')} ${settings.get('SupplementaryGroups')} `,
        'm',
      ),
    );
    const writable = [
      ...(settings.get('RuntimeDirectory') ?? '').split(' ').map((name) => `/run/${name}`),
      `/var/lib/${settings.get('StateDirectory')}`,
      ...(settings.get('ReadWritePaths') ?? '').split(' '),
    ];
    const sqlite = config.store.url.replace('sqlite:', '');
    const { dict, http, sieve } = config;
    const outbox = findOutbox(config);
    for (const path of [dict.socket, http.socket, sieve.socket, sqlite, outbox.path]) {
      assert.ok(writable.includes(path.replace(/\/[^/]*$/, '')), path);
    }
    assert.ok(writable.includes(config.events.dir));
    // What is left there is taken in; a new installation has none.
    assert.ok(writable.includes(`-${config.spool.dir}`));
    // It sets access control lists.
    assert.match(read('packaging/deb/control.in'), /^Depends: acl, /m);
    assert.match(settings.get('ExecStart') ?? '', /^\/usr\/bin\/coi-sidecar serve --config /);
  });

  it('connect Dovecot with snippets that both versions have', () => {
    const commands = /^Connect Dovecot$.*?^Then/ms.exec(read('packaging/deb/README.Debian'))?.[0];
    const roads = /for road in (.*?); do/s.exec(commands ?? '')?.[1]?.split(/[\s\\]+/) ?? [];
    assert.equal(roads.length, 5);
    for (const name of ['token', 'api-key']) {
      assert.ok(commands?.includes(`/etc/dovecot/coi/${name}.conf`), name);
    }
    for (const version of ['2.3', '2.4']) {
      const shipped = readdirSync(join(ROOT, 'dovecot-conf', version));
      for (const road of roads) assert.ok(shipped.includes(`95-coi-${road}.conf`), road);
      const conf = (road: string) => read(`dovecot-conf/${version}/95-coi-${road}.conf`);
      assert.match(conf('events'), /^ *!include_try \/etc\/dovecot\/coi\/token\.conf$/m);
      for (const road of ['doveadm-api', 'doveadm-socket']) {
        assert.match(conf(road), /^!include_try \/etc\/dovecot\/coi\/api-key\.conf$/m);
      }
    }
  });

  it('link to nothing that the package does not have', () => {
    const directory = makeTempDir();
    try {
      // As scripts/build-deb.sh puts them together.
      const share = join(directory.path, 'share');
      const doc = join(share, 'doc/coi-sidecar');
      cpSync(join(ROOT, 'docs'), join(doc, 'docs'), { recursive: true });
      for (const name of ['README.md', 'SECURITY.md', 'CHANGELOG.md']) {
        cpSync(join(ROOT, name), join(doc, name));
      }
      const shipped = join(share, 'coi-sidecar');
      for (const name of ['lua', 'dovecot-conf', 'config.example.yaml']) {
        cpSync(join(ROOT, name), join(shipped, name), { recursive: true });
      }
      mkdirSync(join(doc, 'examples'));
      for (const name of ['lua', 'dovecot-conf']) {
        symlinkSync(`../../../coi-sidecar/${name}`, join(doc, 'examples', name));
      }
      let links = 0;
      for (const name of globSync('**/*.md', { cwd: doc })) {
        const file = join(doc, name);
        const text = mendLinks(readFileSync(file, 'utf8'), file, doc);
        for (const [, target = ''] of text.matchAll(/\]\((?![a-z]+:|#)([^()\s#]+)/g)) {
          links++;
          assert.ok(existsSync(join(dirname(file), target)), `${name} links to ${target}`);
        }
        assert.doesNotMatch(text.replaceAll(/```.*?```/gs, ''), /\]\(\)/, name);
      }
      assert.ok(links > 50, `${links} links`);
    } finally {
      directory.remove();
    }
  });

  it('are shell that a shell can read', async () => {
    const scripts = ['postinst', 'prerm', 'postrm', 'coi-sidecar', 'make-config'];
    for (const script of [
      ...scripts.map((name) => `packaging/deb/${name}`),
      ...['build-deb.sh', 'test-deb.sh', 'test-deb/inside.sh'].map((name) => `scripts/${name}`),
    ]) {
      const { exitCode, stderr } = await runCommand('sh', ['-n', join(ROOT, script)]);
      assert.equal(exitCode, 0, `${script}: ${stderr}`);
    }
  });
});
