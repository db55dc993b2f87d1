import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/demo/run-command.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const good = { http: { token: 'a-token-for-tests' }, doveadm: { api_key: 'key' } };

describe('coi-sidecar check, and what serve refuses', () => {
  let dir: string;
  let file: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-check-'));
    file = join(dir, 'coi-sidecar.yaml');
  });
  after(() => rm(dir, { recursive: true }));

  async function run(command: 'check' | 'serve', config: object) {
    await writeFile(file, JSON.stringify(config));
    return runCommand(process.execPath, [MAIN, command, '--config', file]);
  }
  const check = (config: object) => run('check', config);

  it('is content with what the service starts with', async () => {
    const { exitCode, stdout } = await check(good);
    assert.equal(exitCode, 0);
    assert.equal(stdout, 'The configuration is good.\n');
  });

  it('says all at once what the configuration’s rules are against', async () => {
    const { exitCode, stderr } = await check({ http: { listn: 'x' }, webpush: { padding: 7 } });
    assert.equal(exitCode, 1);
    for (const problem of ['http.listn', 'webpush.padding']) {
      assert.ok(stderr.includes(problem), stderr);
    }
  });

  describe('what the service refuses at its start, until the configuration is another', () => {
    const refused = {
      ...good,
      dict: { socket: `/run/${'x'.repeat(120)}`, group: 'no-such-group' },
      sieve: { group: 'no-such-group-either' },
      store: { url: 'sqlite:relative.db', key_file: '/nowhere/key' },
      webpush: {
        vapid_subject: 'mailto:postmaster@localhost',
        allow_private_endpoints: ['10.0.0.0/99'],
        rawlog_dir: '/nowhere/at/all',
        proxy_url: 'http://proxy.example.org/a/path',
        ca_file: '/nowhere/ca.pem',
      },
    };
    const problems = [
      /^ *dict\.socket: .* longer than /m,
      /^ *dict\.group: no group "no-such-group" /m,
      /^ *sieve\.group: no group "no-such-group-either" /m,
      /^ *store\.url: .* absolute path/m,
      /^ *store\.key_file: \/nowhere\/key cannot be read/m,
      /^ *webpush\.vapid_subject /m,
      /^ *webpush\.allow_private_endpoints: "10\.0\.0\.0\/99"/m,
      /^ *webpush\.rawlog_dir: \/nowhere\/at\/all/m,
      /^ *webpush\.proxy_url /m,
      /^ *webpush\.ca_file: \/nowhere\/ca\.pem cannot be read/m,
    ];

    it('check says all of it at once, option by option', async () => {
      const { exitCode, stderr } = await check(refused);
      assert.equal(exitCode, 1);
      for (const problem of problems) assert.match(stderr, problem);
    });

    it('serve says the same, and ends so that systemd does not start it again', async () => {
      const { exitCode, stderr } = await run('serve', refused);
      assert.equal(exitCode, 2);
      for (const problem of problems) assert.match(stderr, problem);
    });

    it('a file of certificate authorities that holds none', async () => {
      for (const [text, why] of [
        ['', /holds no certificate in PEM form/],
        [
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
          /is damaged in its certificate 1/,
        ],
      ] as const) {
        const path = join(dir, 'ca.pem');
        await writeFile(path, text);
        const { exitCode, stderr } = await check({ ...good, webpush: { ca_file: path } });
        assert.equal(exitCode, 1);
        assert.match(stderr, why);
        assert.ok(stderr.startsWith(`webpush.ca_file: ${path} `), stderr);
      }
    });
  });

  describe('what the service refuses at its start, and time or people may mend', () => {
    const inDir = (name: string): string => join(dir, name);
    const config = () => ({
      http: { ...good.http, listen: '127.0.0.1:0' },
      doveadm: good.doveadm,
      dict: { socket: inDir('dict.sock') },
      sieve: { socket: inDir('classify') },
      store: { url: `sqlite:${inDir('state.db')}` },
      outbox: { path: inDir('outbox.db') },
      spool: { dir },
    });

    for (const [option, value, why] of [
      ['dict.socket', '/nowhere/dict.sock', /the folder \/nowhere does not exist/],
      ['sieve.socket', '/nowhere/classify', /the folder \/nowhere does not exist/],
      ['store.url', 'sqlite:/nowhere/state.db', /the directory \/nowhere is not there/i],
      ['store.url', 'redis://127.0.0.1:1', /Redis is not available/],
      ['outbox.path', '/nowhere/outbox.db', /the directory \/nowhere is not there/i],
      // An address for documentation (RFC 5737): no host has it.
      ['http.listen', '192.0.2.1:9380', /EADDRNOTAVAIL/],
    ] as const)
      it(`${option}: ${value}: serve ends so that systemd starts it again`, async () => {
        const [section, key] = option.split('.') as ['http', 'listen'];
        const base = config();
        const { exitCode, stderr } = await run('serve', {
          ...base,
          [section]: { ...base[section], [key]: value },
        });
        assert.equal(exitCode, 1);
        assert.ok(stderr.startsWith(`coi-sidecar serve: ${option}: `), stderr);
        assert.match(stderr, why);
      });
  });
});
