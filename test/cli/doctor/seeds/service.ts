import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { runDoctor } from '../../../../src/cli/doctor/run-doctor.ts';
import { VERSION } from '../../../../src/version.ts';
import { findFreePort } from '../../../../src/cli/demo/find-free-port.ts';
import { startRecordingHttpServer } from '../../../support/recording-http-server.ts';
import { mountSmallDisk, noSmallDisks } from '../../../support/small-disk.ts';
import { startDoctorRig, type DoctorRig, type Examination } from '../../../support/doctor-rig.ts';
import { eventually } from '../../../support/start-stage.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Break, Seed } from '../seeded-faults.ts';
import { withOwner } from './change-for-a-while.ts';

/** Examines with the configuration file changed on the disk. */
async function withFile(
  rig: DoctorRig,
  change: (path: string) => Promise<void>,
  examination: Examination = {},
) {
  const { config, dovecot } = await rig.writeFiles(examination);
  await change(config);
  return runDoctor({
    ...{ configFile: config, dovecotConfig: dovecot, users: [], reach: [] },
    ...{ password: undefined, lmtp: undefined, imap: undefined },
    ...{ patienceMsecs: 0, only: ['configuration'] },
  });
}

/** A systemd that has this to say of the unit of our port. */
const portUnit =
  (says: (listen: string) => string[]): Break =>
  async (rig, examine) => {
    const listen = new URL(rig.stage.app.url).host;
    const lines = ['LoadState=loaded', ...says(listen)].join('\\n');
    return examine({ path: await rig.shadow({ systemctl: `printf '${lines}\\n'` }) });
  };

/** A service of its own, to which something has happened by now. */
const remarked =
  (happens: (rig: DoctorRig) => void): Break =>
  async ({ stage }, examine) => {
    const rig = await startDoctorRig({ version: stage.dovecot.version });
    happens(rig);
    return examine({}, rig).finally(() => rig.close());
  };

/**
 * A service that says of its traffic what the status page would show. A stand-in: what makes each problem is
 * tried at the real one, and stays with it for half an hour, which every other test would see.
 */
const withTraffic =
  (severity: string): Break =>
  async (_rig, examine) => {
    const answers: Record<string, string> = {
      '/healthz': JSON.stringify({ status: 'ok', version: VERSION, started: '' }),
      '/readyz': JSON.stringify({
        ready: true,
        checks: { store: 'ok', traffic: 'ok; pushes: 9 of 9 attempts failed in 15 min' },
      }),
      '/metrics': `coi_problem{problem="pushes_failing",severity="${severity}"} 1\n`,
    };
    await using service = await startRecordingHttpServer(({ path }) => {
      const body = answers[path];
      return body === undefined ? { status: 404 } : { status: 200, body };
    });
    return await examine({ config: { http: { listen: new URL(service.url).host, socket: '' } } });
  };

const all: readonly Seed[] = [
  {
    fault: 'service.open-to-network',
    says: /http\.listen is 0\.0\.0\.0:\d+, all addresses/,
    break: ({ stage }) => ({
      config: { http: { listen: `0.0.0.0:${new URL(stage.app.url).port}` } },
    }),
  },
  {
    fault: 'service.port-elsewhere',
    says: /holds 192\.0\.2\.1:9380, and http\.listen is 127\.0\.0\.1:/,
    break: portUnit(() => ['ActiveState=active', 'Listen=192.0.2.1:9380 (Stream)']),
  },
  {
    fault: 'service.port-unguarded',
    break: portUnit((listen) => ['ActiveState=inactive', `Listen=${listen} (Stream)`]),
  },
  {
    fault: 'service.http-socket',
    cause: 'nobody is there',
    says: /ENOENT/,
    break: () => ({ config: { http: { socket: '/nowhere/http.sock' } } }),
  },
  {
    fault: 'service.http-socket',
    cause: 'somebody else answers',
    says: /another process answers there/,
    break: async (rig, examine) => {
      const socket = join(rig.stage.dovecot.layout.sidecarDir, 'other.sock');
      const server = createServer((_request, response) => response.end('{}')).listen(socket);
      await once(server, 'listening');
      return examine({ config: { http: { socket } } }).finally(() => server.close());
    },
  },
  {
    fault: 'configuration.invalid',
    says: /http\.listen: unknown|http\.lisen/,
    break: (rig) => withFile(rig, (path) => writeFile(path, '{"http":{"lisen":"x"}}')),
  },
  {
    fault: 'configuration.open-to-others',
    says: /mode 0644/,
    break: (rig) => withFile(rig, (path) => chmod(path, 0o644)),
  },
  {
    fault: 'configuration.changed-since-start',
    break: (rig) =>
      withFile(rig, (path) => utimes(path, new Date(), new Date(Date.now() + 60_000))),
  },
  {
    fault: 'configuration.contact-missing',
    break: () => ({ config: { webpush: { vapid_subject: '' } } }),
  },
  {
    fault: 'configuration.refused',
    cause: 'no contact that push services take',
    says: /vapid_subject .*localhost/,
    break: () => ({ config: { webpush: { vapid_subject: 'mailto:root@localhost' } } }),
  },
  {
    fault: 'configuration.refused',
    cause: 'a file of certificate authorities that is not there',
    says: /webpush\.ca_file: \/nowhere\/ca\.pem cannot be read/,
    break: () => ({ config: { webpush: { ca_file: '/nowhere/ca.pem' } } }),
  },
  {
    fault: 'configuration.refused',
    cause: 'others may read the key',
    says: /store\.key_file: .*chmod 600/,
    break: async ({ dir }, examine) => {
      const path = join(dir, 'open.key');
      await writeFile(path, 'ab'.repeat(32), { mode: 0o644 });
      return examine({ config: { store: { key_file: path } } });
    },
  },
  {
    fault: 'configuration.key-file',
    says: /the service cannot read \S+root\.key \(EACCES\)/,
    skip: notRoot,
    // The service runs as the owner of its socket; the file is root's.
    break: async ({ dir, stage }, examine) => {
      const path = join(dir, 'root.key');
      await writeFile(path, 'ab'.repeat(32), { mode: 0o600 });
      return withOwner(1)(stage.dovecot.sockets.classify, () =>
        examine({ config: { store: { key_file: path } } }),
      );
    },
  },
  {
    fault: 'service.down',
    break: async (_rig, examine) =>
      examine({ config: { http: { listen: `127.0.0.1:${await findFreePort()}` } } }),
  },
  {
    fault: 'service.other-version',
    says: /0\.0\.1/,
    break: async (_rig, examine) => {
      const started = '2020-01-01T00:00:00.000Z';
      await using older = await startRecordingHttpServer(() => ({
        status: 200,
        body: JSON.stringify({ status: 'ok', version: '0.0.1', started }),
      }));
      const http = { listen: new URL(older.url).host, socket: '' };
      return await examine({ config: { http } });
    },
  },
  {
    fault: 'readiness.not-ready',
    says: /events: events\.dir .* cannot be used/,
    skip: notRoot,
    break: ({ stage }, examine) => withOwner(1)(stage.dovecot.eventsDir, examine),
  },
  {
    fault: 'readiness.broken',
    cause: 'all pushes are refused, though all parts work',
    says: /^pushes: 3 attempts refused with 401/,
    break: remarked(({ stage }) =>
      stage.app.ground.metrics.pushes.inc({ outcome: 'unauthorized' }, 3),
    ),
  },
  {
    fault: 'readiness.remarked',
    cause: 'something stored is damaged',
    says: /of store: 1 damaged record/,
    break: remarked(({ stage }) => stage.app.ground.damage.noteRecord('alice', 'x')),
  },
  {
    fault: 'readiness.broken',
    cause: 'as the headline of the status page has it',
    says: /^pushes: 9 of 9 attempts failed in 15 min\.$/,
    break: withTraffic('critical'),
  },
  {
    fault: 'readiness.impaired',
    cause: 'as the status page has it',
    says: /9 of 9 attempts/,
    break: withTraffic('warning'),
  },
  {
    fault: 'tokens.token-refused',
    break: () => ({ config: { http: { token: 'another-token-than-it-has' } } }),
  },
  {
    fault: 'tokens.admin-token-refused',
    break: () => ({ config: { http: { admin_token: 'another-token-than-it-has' } } }),
  },
  {
    fault: 'disk.low',
    skip: noSmallDisks,
    break: async (_rig, examine) => {
      const small = mountSmallDisk('2m');
      try {
        return await examine({ config: { events: { dir: small.dir } } });
      } finally {
        small.unmount();
      }
    },
  },
  {
    fault: 'disk.full',
    says: /the event log/,
    skip: noSmallDisks,
    break: async (_rig, examine) => {
      const small = mountSmallDisk('2m');
      small.fill();
      try {
        return await examine({ config: { events: { dir: small.dir } } });
      } finally {
        small.unmount();
      }
    },
  },
  {
    fault: 'clock.impossible',
    along: ['clock.other-than-dovecot'],
    says: /1999/,
    break: () => ({ now: () => Date.UTC(1999, 11, 31) }),
  },
  {
    fault: 'clock.other-than-dovecot',
    says: /3[56]\d\d s/,
    break: () => ({ now: () => Date.now() + 3_590_000 }),
  },
  {
    fault: 'clock.was-set',
    says: /set forward by 10 minutes/,
    // Seeded last of all: the service remembers it for an hour.
    break: async (rig, examine) => {
      rig.setClock(600_000);
      const readyz = new URL('/readyz', rig.stage.app.url);
      await eventually(async () =>
        assert.match(await (await fetch(readyz)).text(), /set forward by/),
      );
      return examine();
    },
  },
];

/** None of them has to do with the version of Dovecot. */
export const serviceFaults = all.map((seed): Seed => ({ versions: ['2.3'], ...seed }));
