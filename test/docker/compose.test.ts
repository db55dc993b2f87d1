import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  build?: string | { context: string; dockerfile: string };
  image?: string;
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: string[] | Record<string, unknown>;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  mem_limit?: string;
  pids_limit?: number;
  ulimits?: Record<string, number>;
  logging?: { driver: string; options: Record<string, string> };
}
const compose = parse(read('docker-compose.yml')) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const services = Object.entries(compose.services);
const dovecotConf = read('docker/dovecot/dovecot.conf');
const dockerfiles = services.flatMap(([, { build }]) =>
  build === undefined ? [] : [typeof build === 'string' ? 'Dockerfile' : build.dockerfile],
);

/** `COPY a b /c/` of the build context, line continuations joined. */
const copiedBy = (dockerfile: string): { sources: string[]; target: string }[] =>
  read(dockerfile)
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => /^COPY (?!--from)/.test(line))
    .map((line) => {
      const paths = line.trim().split(/\s+/).slice(1);
      return { sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
    });

describe('docker-compose.yml', () => {
  it('mounts files that exist, and volumes that it declares', () => {
    const used = new Set<string>();
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) assert.ok(existsSync(join(ROOT, source)), `${name}: ${source}`);
        else used.add(source);
      }
    }
    assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
  });

  it('names services that exist, wherever one speaks to another', () => {
    const names = new Set(services.map(([name]) => name));
    const places = [
      ...services.flatMap(([, { environment = {} }]) => Object.values(environment)),
      dovecotConf,
      read('docker/prometheus/prometheus.yml').replaceAll(/targets: \[(.*)\]/g, 'http://$1'),
      read('docker/grafana/provisioning/datasources/prometheus.yml'),
    ];
    const hosts = places.flatMap((text) =>
      [...text.matchAll(/https?:\/\/([a-z][a-z0-9-]*)(?=:\d)/g)].map(([, host]) => host ?? ''),
    );
    assert.deepEqual([...new Set(hosts)].sort(), ['coi-sidecar', 'dovecot', 'prometheus']);
    for (const host of hosts) assert.ok(names.has(host), host);
    for (const [name, { depends_on: dependencies = [] }] of services) {
      const on = Array.isArray(dependencies) ? dependencies : Object.keys(dependencies);
      for (const one of on) assert.ok(names.has(one), `${name} depends on ${one}`);
    }
  });

  it('publishes nothing beyond this host', () => {
    for (const [name, { ports = [] }] of services) {
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, name);
    }
  });

  it('takes every secret from the environment, refuses to start without, and the docs name it', () => {
    const wanted = [...read('docker-compose.yml').matchAll(/\$\{(\w+)(:\?)?/g)];
    assert.ok(wanted.length > 0);
    const docs = read('docs/install-docker.md');
    for (const [, name = '', required] of wanted) {
      assert.equal(required, ':?', name);
      assert.ok(docs.includes(name), `docs/install-docker.md does not name ${name}`);
    }
  });

  it('gives the sidecar the limits of the systemd unit', () => {
    const unit = read('packaging/coi-sidecar.service');
    const inUnit = (name: string) => RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]?.toLowerCase();
    const { mem_limit, pids_limit, ulimits } = compose.services['coi-sidecar'] ?? {};
    assert.equal(mem_limit, inUnit('MemoryMax'));
    assert.equal(String(pids_limit), inUnit('TasksMax'));
    assert.equal(String(ulimits?.['core']), inUnit('LimitCORE'));
    assert.equal(compose.services['dovecot']?.ulimits?.['core'], 0);
  });

  it('bounds the sidecar as the example for mail stacks does', () => {
    const [, yaml = ''] =
      /```yaml\n(services:\n[\s\S]*?)```/.exec(read('docs/beside-mail-stacks.md')) ?? [];
    const example = parse(yaml) as typeof compose;
    // What is of the site, or told in another test.
    const free = new Set(['build', 'image', 'environment', 'volumes']);
    const [ours, theirs] = [compose, example].map((one) =>
      Object.entries(one.services['coi-sidecar'] ?? {}).filter(([name]) => !free.has(name)),
    );
    assert.deepEqual(theirs, ours);
    const { cap_drop, read_only, security_opt } = compose.services['coi-sidecar'] ?? {};
    assert.deepEqual(cap_drop, ['ALL']);
    assert.deepEqual(security_opt, ['no-new-privileges:true']);
    assert.equal(read_only, true);
  });

  it('bounds every log', () => {
    for (const [name, { logging }] of services) {
      assert.ok(logging, name);
      assert.equal(logging.driver, 'json-file', name);
      assert.match(logging.options['max-size'] ?? '', /^\d+m$/, name);
      assert.match(logging.options['max-file'] ?? '', /^\d$/, name);
    }
  });

  it('gives the sidecar a configuration that it accepts', () => {
    const environment: Record<string, string> = { COI_SIDECAR_HTTP_LISTEN: '0.0.0.0:9380' };
    assert.match(read('Dockerfile'), /COI_SIDECAR_HTTP_LISTEN=0\.0\.0\.0:9380/);
    for (const [name, value] of Object.entries(
      compose.services['coi-sidecar']?.environment ?? {},
    )) {
      const given = name.endsWith('SUBJECT') ? 'mailto:a@example.org' : `secret of ${name}`;
      environment[name] = value.replace(/\$\{.*\}/, given);
    }
    const config = readConfig('', environment);
    assert.equal(config.doveadm.url, 'http://dovecot:8080/doveadm/v1');
    assert.equal(config.webpush.vapid_subject, 'mailto:a@example.org');
    // The separator, and the paths that are mounted.
    assert.match(dovecotConf, RegExp(`^ *separator = ${config.coi.mailbox_separator}$`, 'm'));
    const mounts = compose.services['coi-sidecar']?.volumes?.map((one) => one.split(':')[1] ?? '');
    for (const path of [config.dict.socket, config.sieve.socket, config.events.dir]) {
      assert.ok(
        mounts?.some((mount) => path.startsWith(mount)),
        path,
      );
    }
  });

  it('gives Dovecot every variable that dovecot.conf reads', () => {
    const given = Object.keys(compose.services['dovecot']?.environment ?? {});
    const read = [...dovecotConf.matchAll(/= \$ENV:(\w+)/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(read)].sort(), given.sort());
  });
});

describe('the Dockerfiles', () => {
  it('copy what exists and what .dockerignore lets through', () => {
    const passed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    assert.equal(dockerfiles.length, 2);
    for (const dockerfile of dockerfiles) {
      const sources = copiedBy(dockerfile).flatMap((copy) => copy.sources);
      assert.ok(sources.length > 0, dockerfile);
      for (const source of sources) {
        assert.ok(existsSync(join(ROOT, source)), `${dockerfile}: ${source}`);
        const isPassed = passed.some((path) => source === path || source.startsWith(`${path}/`));
        assert.ok(isPassed, `.dockerignore holds back ${source}`);
      }
    }
  });

  it('agree on who owns the mail, and who the sockets and the event log', () => {
    const ids = dockerfiles.map((file) =>
      [...read(file).matchAll(/^ARG ((?:MAIL|SERVICE)_[UG]ID=\d+)$/gm)].map(([, id]) => id),
    );
    assert.equal(ids[0]?.length, 3);
    assert.deepEqual(ids[0], ids[1]);
  });

  it('run the sidecar as a user of its own, in the group of the mail', () => {
    const text = read('Dockerfile');
    assert.match(text, /^USER \$SERVICE_UID:\$MAIL_GID$/m);
    const id = (name: string) => Number(RegExp(`^ARG ${name}=(\\d+)$`, 'm').exec(text)?.[1]);
    // Neither a system user of Debian's, nor Node's 1000, nor the owner of the mail.
    assert.ok(id('SERVICE_UID') > 1000 && id('SERVICE_UID') < 60_000);
    assert.notEqual(id('SERVICE_UID'), id('MAIL_UID'));
    assert.match(text, /install -y --no-install-recommends tini acl /);
  });

  it('let no mail process put anything beside the sockets and the event log', () => {
    for (const [file, owner, group] of [
      ['Dockerfile', 'coi-sidecar', 'coi-mail'],
      ['docker/dovecot/Dockerfile', '"$SERVICE_UID"', 'vmail'],
    ] as const) {
      const text = read(file);
      const made = `install -d -o ${owner} -g ${group}`;
      assert.ok(text.includes(`${made} -m 750 /run/coi-sidecar /run/coi-sidecar/sieve`), file);
      assert.ok(text.includes(`${made} -m 710 /var/spool/coi-events`), file);
    }
  });
});

const version24 = dovecotVersions.find(({ version }) => version === '2.4');

describe('docker/dovecot/dovecot.conf', { skip: version24?.skip ?? 'no 2.4' }, () => {
  it('is accepted by Dovecot 2.4 with the snippets that the image copies', async () => {
    const release = await findDovecotRelease('2.4');
    const dir = await mkdtemp(join(tmpdir(), 'coi-docker-'));
    try {
      for (const { sources, target } of copiedBy('docker/dovecot/Dockerfile')) {
        const place = join(dir, target);
        if (target.endsWith('/')) await mkdir(place, { recursive: true });
        for (const source of sources) {
          const name = target.endsWith('/') ? normalize(source).split('/').at(-1) : '';
          await cp(join(ROOT, source), join(place, name ?? ''));
        }
      }
      const etc = join(dir, 'etc/dovecot');
      // It looks for the Lua script, which in here stands elsewhere.
      for (const name of await readdir(join(etc, 'conf.d'))) {
        const file = join(etc, 'conf.d', name);
        const text = await readFile(file, 'utf8');
        await writeFile(file, text.replaceAll('/etc/dovecot/coi/', join(etc, 'coi/')));
      }
      const { exitCode, stdout, stderr } = await runCommand(
        ...release!.commandLine('doveconf', ['-n', '-c', join(etc, 'dovecot.conf')]),
      );
      assert.equal(stderr.trim(), '');
      assert.equal(exitCode, 0);
      for (const line of [
        'coi_sidecar_url = http://coi-sidecar:9380',
        'socket_path = /run/coi-sidecar/dict.sock',
        'sieve_execute_socket_dir = ../coi-sidecar/sieve',
      ]) {
        assert.ok(stdout.includes(line), `${line} is not in\n${stdout}`);
      }
      assert.match(stdout, /COI = yes/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
