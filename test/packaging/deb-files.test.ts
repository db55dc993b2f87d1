import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { readConfig } from '../../src/config/load-config.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const makeConfig = async () => {
  const input = read('config.example.yaml');
  const { exitCode, stdout, stderr } = await runCommand(
    join(ROOT, 'packaging/deb/make-config'),
    [],
    { input },
  );
  assert.equal(exitCode, 0, stderr);
  return readConfig(stdout);
};

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
    assert.notEqual((await makeConfig()).http.token, http.token);
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
    for (const path of [config.dict.socket, config.sieve.socket, sqlite, config.outbox.path]) {
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
    assert.equal(roads.length, 6);
    for (const name of ['token', 'api-key']) {
      assert.ok(commands?.includes(`/etc/dovecot/coi/${name}.conf`), name);
    }
    for (const version of ['2.3', '2.4']) {
      const shipped = readdirSync(join(ROOT, 'dovecot-conf', version));
      for (const road of roads) assert.ok(shipped.includes(`95-coi-${road}.conf`), road);
      const conf = (road: string) => read(`dovecot-conf/${version}/95-coi-${road}.conf`);
      assert.match(conf('events'), /^ *!include_try \/etc\/dovecot\/coi\/token\.conf$/m);
      assert.match(conf('doveadm-api'), /^!include_try \/etc\/dovecot\/coi\/api-key\.conf$/m);
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
