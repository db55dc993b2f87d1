import assert from 'node:assert/strict';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../../../src/cli/demo/run-command.ts';
import { startDoctorRig, type DoctorRig } from '../../../support/doctor-rig.ts';
import { makeEventLog } from '../../../support/event-logs.ts';
import { startRecordingHttpServer } from '../../../support/recording-http-server.ts';
import { mountWithoutAcls } from '../../../support/small-disk.ts';
import { sharedNamespace, sharedScript } from '../../../support/shared-namespace.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Seed } from '../seeded-faults.ts';
import { withMode, withOwner, withText, withoutPath } from './change-for-a-while.ts';
import { onOxRoad, OX, oxDriver, setting, withoutSetting } from './event-drivers.ts';
import { lmtpPlugins, withoutModules } from './mail-plugins.ts';

async function openDirectory(rig: DoctorRig, name: string, mode = 0o1733): Promise<string> {
  const dir = join(rig.dir, name);
  await mkdir(dir);
  await chmod(dir, mode);
  return dir;
}

/** A directory with event logs that no service looks at, for Dovecot and the doctor alike. */
async function eventsOf(rig: DoctorRig, name: string, mode = 0o710) {
  const dir = await openDirectory(rig, name, mode);
  if (notRoot === false) await chown(dir, 0, rig.stage.dovecot.mailGid);
  const log = await makeEventLog(dir, rig.stage.dovecot.mailUid);
  const differs = { ...setting(rig, 'coi_sidecar_events_dir', dir), config: { events: { dir } } };
  return { dir, log, differs };
}

const script = ({ stage }: DoctorRig): string => join(stage.dovecot.layout.coiDir, 'coi.lua');

export const eventFaults: readonly Seed[] = [
  {
    fault: 'events-driver.no-driver',
    along: ['events-driver.no-driver'], // lmtp and imap
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'plugin {\n  push_notification_driver = dlog\n}'
          : 'push_notification coi {\n  driver = dlog\n}',
    }),
  },
  {
    fault: 'events-driver.ox-driver',
    cause: 'and all else is well, a trip included',
    says: /"seen"/,
    break: onOxRoad(({ stage }) => ({ only: [], users: [stage.freshUser()] })),
  },
  { fault: 'events-driver.ox-unexpected', break: (rig) => oxDriver(rig) },
  { fault: 'events-driver.lua-unexpected', break: () => OX },
  {
    fault: 'events-driver.user-from-metadata',
    along: ['events-driver.ox-driver'],
    break: (rig) => ({ ...OX, ...oxDriver(rig, { userFromMetadata: true }) }),
  },
  {
    fault: 'events-url.password-refused',
    break: (rig) => ({ ...OX, ...oxDriver(rig, { password: 'change-me' }) }),
  },
  {
    fault: 'events-driver.script-missing',
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'plugin {\n  push_notification_driver = lua:file=/nowhere/coi.lua\n}'
          : 'push_notification coi {\n  lua_file = /nowhere/coi.lua\n}',
    }),
  },
  {
    fault: 'events-driver.script-missing',
    cause: 'one that another brings in',
    says: /coi-report\.lua is not there/,
    break: ({ stage }, examine) =>
      withoutPath(join(stage.dovecot.layout.coiDir, 'coi-report.lua'), examine),
  },
  {
    fault: 'events-driver.script-unreadable',
    says: /coi\.lua \(0600, uid 0/,
    skip: notRoot,
    break: (rig, examine) => withMode(0o600)(script(rig), examine),
  },
  {
    fault: 'events-driver.script-unreadable',
    cause: 'its directory is closed',
    says: /coi \(0700, uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o700)(stage.dovecot.layout.coiDir, examine),
  },
  {
    fault: 'events-driver.script-outdated',
    break: (rig, examine) => withText((text) => `${text}-- older\n`)(script(rig), examine),
  },
  {
    fault: 'events-driver.other-shared-prefix',
    says: /is "user\/", but the prefix of the shared namespace is "shared\//,
    break: ({ stage: { dovecot } }) => {
      const { version, layout } = dovecot;
      return {
        dovecot: sharedNamespace(version) + sharedScript(version, layout.coiDir, 'user/'),
      };
    },
  },
  {
    fault: 'events-driver.script-missing',
    cause: 'the one for shared mailboxes, where it is wanted',
    says: /coi-shared\.lua is not there/,
    break: ({ stage: { dovecot } }, examine) => {
      const { version, layout } = dovecot;
      const config = sharedNamespace(version) + sharedScript(version, layout.coiDir);
      return withoutPath(join(layout.coiDir, 'coi-shared.lua'), () => examine({ dovecot: config }));
    },
  },
  { fault: 'events-url.url-unset', break: (rig) => setting(rig, 'coi_sidecar_url', '') },
  {
    fault: 'events-url.url-elsewhere',
    cause: 'nobody is there',
    says: /^coi_sidecar_url = http:\/\/127\.0\.0\.1:1 .*ECONNREFUSED/,
    break: (rig) => setting(rig, 'coi_sidecar_url', 'http://me:my-secret@127.0.0.1:1'),
  },
  {
    fault: 'events-url.url-elsewhere',
    cause: 'Dovecot’s own API is there',
    says: /something else answers/,
    break: (rig) => setting(rig, 'coi_sidecar_url', new URL(rig.stage.dovecot.doveadm.url).origin),
  },
  {
    fault: 'events-url.url-elsewhere',
    cause: 'another coi-sidecar is there',
    says: /another process answers there/,
    break: async (rig, examine) => {
      const started = '2020-01-01T00:00:00.000Z';
      await using other = await startRecordingHttpServer(() => ({
        status: 200,
        body: JSON.stringify({ status: 'ok', version: '0.1.0', started }),
      }));
      return await examine(setting(rig, 'coi_sidecar_url', new URL(other.url).origin));
    },
  },
  {
    fault: 'events-url.url-elsewhere',
    cause: 'it is none',
    says: /it is no URL/,
    break: (rig) => setting(rig, 'coi_sidecar_url', 'localhost'),
  },
  {
    fault: 'events-url.url-unset',
    cause: 'nowhere',
    says: /is not set/,
    break: (rig, examine) => withoutSetting('coi_sidecar_url')(rig, examine),
  },
  {
    fault: 'events-url.token-refused',
    cause: 'there is none',
    says: /not set/,
    skip: notRoot,
    break: (rig, examine) => withoutSetting('coi_sidecar_token')(rig, examine),
  },
  {
    fault: 'events-url.token-refused',
    says: /still change-me/,
    break: (rig) => setting(rig, 'coi_sidecar_token', 'change-me'),
  },
  {
    fault: 'events-url.token-refused',
    cause: 'in a file of its own',
    versions: ['2.3'],
    says: /another one/,
    break: async (rig, examine) => {
      const file = join(rig.dir, 'token');
      await writeFile(file, 'not the token of the service\n');
      return examine(setting(rig, 'coi_sidecar_token', `<${file}`));
    },
  },
  {
    fault: 'events-delivery.not-delivered',
    says: /Plugin '?mail_lua'? not found from directory/,
    skip: notRoot,
    break: withoutModules,
  },
  {
    fault: 'events-delivery.driver-fails',
    cause: 'coi.lua is not there',
    says: /"lua" fails: .*\/nowhere\/coi\.lua.* No such file/,
    skip: notRoot,
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'plugin {\n  push_notification_driver = lua:file=/nowhere/coi.lua\n}'
          : 'push_notification coi {\n  lua_file = /nowhere/coi.lua\n}',
    }),
  },
  {
    fault: 'events-delivery.driver-fails',
    cause: 'coi.lua is damaged',
    says: /coi\.lua:\d+: syntax error near 'is'/,
    skip: notRoot,
    break: (rig, examine) => withText((text) => `${text}\nthis is no Lua\n`)(script(rig), examine),
  },
  {
    fault: 'events-delivery.driver-fails',
    cause: 'coi-report.lua is not beside it',
    says: /cannot open \S+coi-report\.lua: No such file .* belongs beside coi\.lua/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withoutPath(join(stage.dovecot.layout.coiDir, 'coi-report.lua'), examine),
  },
  {
    fault: 'events-delivery.driver-fails',
    cause: 'mail processes may not read it',
    says: /coi-report\.lua: Permission denied/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o600)(join(stage.dovecot.layout.coiDir, 'coi-report.lua'), examine),
  },
  {
    fault: 'events-delivery.driver-fails',
    cause: 'the plugin with the driver is not loaded',
    says: /driver:? '?(lua|coi)/,
    skip: notRoot,
    break: (rig) => lmtpPlugins(rig, ['notify', 'push_notification', 'mail_lua']),
  },
  {
    fault: 'events-delivery.not-heard',
    cause: 'nobody is there',
    says: /"lua" says is not taken: .*Connection refused/,
    skip: notRoot,
    break: (rig) => setting(rig, 'coi_sidecar_url', 'http://127.0.0.1:1'),
  },
  {
    fault: 'events-delivery.not-heard',
    cause: 'another token',
    says: /401 Unauthorized/,
    skip: notRoot,
    break: (rig) => setting(rig, 'coi_sidecar_token', 'change-me'),
  },
  {
    fault: 'events-delivery.not-heard',
    cause: 'the "ox" driver, with another password',
    says: /"ox" says is not taken: .*401/,
    skip: notRoot,
    break: onOxRoad((rig) => oxDriver(rig, { password: 'change-me' })),
  },
  {
    fault: 'events-delivery.silent',
    cause: 'no plugin is loaded that could',
    says: /"lua" does not tell/,
    skip: notRoot,
    break: (rig) => lmtpPlugins(rig, ['sieve']),
  },
  {
    fault: 'events-delivery.silent',
    cause: 'the service does not answer the "ox" driver about nobody',
    says: /"ox" does not tell/,
    skip: notRoot,
    break: (rig) => oxDriver(rig), // with a service that has events.driver: lua
  },
  { fault: 'event-log.unset', break: (rig) => setting(rig, 'coi_sidecar_events_dir', '') },
  {
    fault: 'event-log.unset',
    cause: 'nowhere, as in the snippet of a version before it',
    break: (rig, examine) => withoutSetting('coi_sidecar_events_dir')(rig, examine),
  },
  { fault: 'event-log.differs', break: (rig) => setting(rig, 'coi_sidecar_events_dir', '/tmp') },
  {
    fault: 'event-log.missing',
    break: (rig) => ({
      ...setting(rig, 'coi_sidecar_events_dir', '/nowhere/events'),
      config: { events: { dir: '/nowhere/events' } },
    }),
  },
  {
    fault: 'event-log.open',
    says: /open \(1733\) lets others/,
    break: async (rig, examine) => examine((await eventsOf(rig, 'open', 0o1733)).differs),
  },
  {
    fault: 'event-log.open',
    cause: 'for a group',
    says: /\(1730\) lets others/,
    break: async (rig, examine) => examine((await eventsOf(rig, 'group-open', 0o1730)).differs),
  },
  {
    fault: 'event-log.open',
    cause: 'the directory of a system user',
    says: /below\/\d+ \(0777\) lets others/,
    break: async (rig, examine) => {
      const { log, differs } = await eventsOf(rig, 'below');
      await chmod(log.dir, 0o777);
      return examine(differs);
    },
  },
  {
    fault: 'event-log.open',
    cause: 'one that it lies in, where it can be replaced',
    says: /wide \(0777\) lets others/,
    break: async (rig, examine) => {
      await mkdir(join(rig.dir, 'wide'));
      await chmod(join(rig.dir, 'wide'), 0o777);
      return examine((await eventsOf(rig, 'wide/events')).differs);
    },
  },
  {
    fault: 'event-log.open-spool',
    says: /coi\.lua is from before .*old-scripts \(1733\), an open directory/,
    break: async (rig, examine) => {
      const config = { spool: { dir: await openDirectory(rig, 'old-scripts') } };
      const old = withText((text) => `${text}-- coi_sidecar_spool_dir\n`);
      return old(script(rig), () => examine({ config }));
    },
  },
  {
    fault: 'event-log.spool-left',
    says: /left-open, .* still open \(1733\)/,
    break: async (rig, examine) =>
      examine({ config: { spool: { dir: await openDirectory(rig, 'left-open') } } }),
  },
  {
    fault: 'event-log.foreign',
    says: /belongs to uid 1, but the service runs as uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) => withOwner(1)(stage.dovecot.eventsDir, examine),
  },
  {
    fault: 'event-log.not-made',
    says: /has no log for the mail user/,
    break: async (rig, examine) => {
      const { log, differs } = await eventsOf(rig, 'empty');
      await rm(log.dir, { recursive: true });
      return examine(differs);
    },
  },
  {
    fault: 'event-log.no-acl',
    says: /setfacl says: .*Operation not supported/,
    skip: notRoot,
    break: async ({ stage }, examine) => {
      const { version } = stage.dovecot;
      await using disk = await mountWithoutAcls();
      const rig = await startDoctorRig({ version, eventsDir: join(disk.dir, 'events') });
      return await examine({}, rig).finally(() => rig.close());
    },
  },
  {
    fault: 'event-log.unwritable',
    cause: 'mail processes may not pass the directory',
    says: /closed \(0700, uid 0/,
    skip: notRoot,
    break: async (rig, examine) => examine((await eventsOf(rig, 'closed', 0o700)).differs),
  },
  {
    fault: 'event-log.unwritable',
    cause: 'nor that of the first user whom Dovecot lists, of whom no event has come',
    says: /locked \(0700, uid 0/,
    skip: notRoot,
    break: async ({ stage }, examine) => {
      const { version } = stage.dovecot;
      const rig = await startDoctorRig({ version, users: ['bob@example.org'] });
      const { log, differs } = await eventsOf(rig, 'locked', 0o700);
      await rm(log.dir, { recursive: true });
      return examine(differs, rig).finally(() => rig.close());
    },
  },
  {
    fault: 'event-log.unwritable',
    cause: 'the log is not theirs',
    says: /not-theirs\/\d+\/log \(0600, uid 0/,
    skip: notRoot,
    break: async (rig, examine) => {
      const { log, differs } = await eventsOf(rig, 'not-theirs');
      await runCommand('setfacl', ['-b', log.log]);
      return examine(differs);
    },
  },
  {
    fault: 'event-log.marks-unreadable',
    skip: notRoot,
    break: async (rig, examine) => {
      const { dir, differs } = await eventsOf(rig, 'marked');
      await writeFile(join(dir, 'marks'), '', { mode: 0o600 });
      return examine(differs);
    },
  },
  {
    fault: 'event-log.waiting',
    says: /has waited for 16 minutes/,
    // A service that tells of it: nobody waits so long for a test.
    break: async (rig, examine) => {
      const said = new Map<string, string>();
      for (const path of ['/healthz', '/readyz', '/metrics']) {
        const answer = await fetch(new URL(path, rig.stage.dovecot.sidecar.url));
        said.set(path, await answer.text());
      }
      const metrics = said.get('/metrics') ?? '';
      assert.match(metrics, /^coi_event_log_oldest_seconds 0$/m);
      said.set('/metrics', metrics.replace(/(oldest_seconds) 0$/m, '$1 1000'));
      await using other = await startRecordingHttpServer(({ path }) => ({
        ...{ status: 200, body: said.get(path) ?? '' },
      }));
      return await examine({ config: { http: { listen: new URL(other.url).host } } });
    },
  },
  {
    fault: 'event-log.rejected',
    says: /^1 files/,
    break: async (rig, examine) => {
      const dir = await openDirectory(rig, 'rejecting', 0o700);
      await mkdir(join(dir, 'rejected'));
      await writeFile(join(dir, 'rejected', 'x.json'), 'what?');
      return examine({ config: { spool: { dir } } });
    },
  },
];
