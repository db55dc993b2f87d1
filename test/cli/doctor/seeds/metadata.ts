import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../../../support/start-stage.ts';
import { startDoctorRig, type DoctorRig, type Examination } from '../../../support/doctor-rig.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Seed } from '../seeded-faults.ts';
import { faultsOf } from '../../../support/doctor-rig.ts';
import { withMode } from './change-for-a-while.ts';
import { leaveDeadSocket } from './leave-dead-socket.ts';
import { OWN_UIDS } from './own-uids.ts';

const is23 = ({ stage }: DoctorRig): boolean => stage.dovecot.version === '2.3';

/** An attribute dict in the words of the version under test; it replaces the stage's own. */
const dict = (rig: DoctorRig, text23: string, text24: string): Examination => ({
  dovecot: is23(rig) ? `mail_attribute_dict = ${text23}` : `mail_attribute {\n${text24}\n}`,
});

/** A site's own dict beside ours. */
const SECOND_DICT = '  dict file {\n    path = %{home}/a\n  }';

/** Says yes to everything and has nothing. */
async function startForgetfulDict(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (said) => {
        for (const line of said.toString().split('\n')) {
          if (/^[CD]\d/.test(line)) socket.write(`O${line.slice(1).split('\t')[0] ?? ''}\n`);
          if (line.startsWith('L')) socket.write('N\n');
          if (line.startsWith('I')) socket.write('\n');
        }
      });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await chmod(path, 0o666);
  return server;
}

const DOVEADM = { metadata: { source: 'doveadm' } };

const BOTH = '(cmd_name=SETMETADATA OR cmd_name=GETMETADATA)';

/** Notices to a URL, of some commands; without the metric if of none. */
const notices = (rig: DoctorRig, url: string, commands = BOTH): Examination => ({
  config: DOVEADM,
  dovecot: [
    is23(rig)
      ? `event_exporter told {\n  format = json\n  format_args = time-unix\n  transport = http-post\n  transport_args = ${url}\n}`
      : `event_exporter told {\n  driver = http-post\n  http_post_url = ${url}\n  format = json\n}`,
    ...(commands === ''
      ? []
      : [
          `metric told {\n  filter = event=imap_command_finished AND ${commands}\n  exporter = told\n}`,
        ]),
  ].join('\n'),
});

const noticesUrl = ({ stage }: DoctorRig, token = stage.dovecot.sidecar.token): string =>
  `${stage.dovecot.sidecar.url.replace('//', `//dovecot:${token}@`)}/v1/imap-commands`;

const socketAt = (path: string): Examination => ({ config: { dict: { socket: path } } });

export const metadataFaults: readonly Seed[] = [
  {
    fault: 'metadata.imap-off',
    break: () => ({ dovecot: 'protocol imap {\n  imap_metadata = no\n}' }),
  },
  {
    fault: 'metadata.imap-off-for',
    says: /in "remote 10\.0\.0\.0\/8"/,
    break: () => ({
      dovecot: 'remote 10.0.0.0/8 {\n  imap_metadata = no\n}',
    }),
  },
  {
    fault: 'dict-socket.open-to-all',
    cause: 'dict.mode is 0666',
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o666)(stage.dovecot.sockets.dict, examine),
  },
  {
    fault: 'metadata.no-dict',
    versions: ['2.3'],
    break: () => ({ dovecot: 'mail_attribute_dict =' }),
  },
  {
    fault: 'metadata.elsewhere',
    versions: ['2.3'],
    says: /of the kind "file"/,
    break: (rig) => dict(rig, 'file:%h/attributes', ''),
  },
  {
    fault: 'metadata.second-dict',
    versions: ['2.4'],
    says: /\(proxy, file\)|\(file, proxy\)/,
    break: (rig) => dict(rig, '', SECOND_DICT),
  },
  {
    fault: 'annotations.refused',
    versions: ['2.4'],
    cause: 'two dicts',
    says: /answered NO: .*doesn't support a child dict/,
    skip: notRoot,
    break: (rig) => dict(rig, '', SECOND_DICT),
  },
  {
    fault: 'annotations.refused',
    cause: 'the socket is not for mail processes',
    says: /answered NO: .*Permission denied/,
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o600)(stage.dovecot.sockets.dict, examine),
  },
  {
    fault: 'annotations.refused',
    cause: 'imap_metadata is off',
    says: /answered NO: \S/,
    skip: notRoot,
    break: () => ({ dovecot: 'protocol imap {\n  imap_metadata = no\n}' }),
  },
  {
    fault: 'annotations.not-served',
    says: /first_valid_uid|uid/i,
    skip: notRoot,
    break: () => ({ dovecot: 'protocol imap {\n  first_valid_uid = 5000\n}' }),
  },
  {
    fault: 'annotations.lost',
    skip: notRoot,
    // A dict that forgets: nothing of Dovecot's own does.
    break: async (rig, examine) => {
      const path = join(rig.stage.dovecot.layout.sidecarDir, 'forgetful.sock');
      const forgetful = await startForgetfulDict(path);
      const text24 = `  dict proxy {\n    socket_path = ${path}\n  }`;
      return examine(dict(rig, `proxy:${path}:coi`, text24)).finally(() => forgetful.close());
    },
  },
  {
    fault: 'metadata.elsewhere',
    cause: 'another socket',
    says: /is \/run\/other\.sock/,
    break: (rig) =>
      dict(
        rig,
        'proxy:/run/other.sock:coi',
        '  dict proxy {\n    socket_path = /run/other.sock\n  }',
      ),
  },
  { fault: 'metadata.circular', break: () => ({ config: DOVEADM }) },
  {
    fault: 'metadata.no-idle',
    break: (rig) =>
      dict(
        rig,
        `proxy:${rig.stage.dovecot.sockets.dict}:coi`,
        '  dict proxy {\n    idle_timeout = 0\n  }',
      ),
  },
  {
    fault: 'dict-socket.deaf',
    says: /ENOENT/,
    break: () => socketAt('/nowhere/dict.sock'),
  },
  {
    fault: 'dict-socket.deaf',
    cause: 'the service was killed',
    says: /ECONNREFUSED/,
    break: async ({ stage }, examine) => {
      const path = join(stage.dovecot.layout.sidecarDir, 'dead.sock');
      leaveDeadSocket(path);
      return examine(socketAt(path)).finally(() => rm(path));
    },
  },
  {
    fault: 'dict-socket.deaf',
    cause: 'and whose mail processes are is not known',
    says: /ECONNREFUSED/,
    break: async ({ stage }, examine) => {
      const path = join(stage.dovecot.layout.sidecarDir, 'dead.sock');
      leaveDeadSocket(path);
      const dovecot = OWN_UIDS[stage.dovecot.version];
      return examine({ ...socketAt(path), dovecot }).finally(() => rm(path));
    },
  },
  {
    fault: 'dict-socket.forbidden',
    says: /dict\.sock \(0600, uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o600)(stage.dovecot.sockets.dict, examine),
  },
  {
    fault: 'dict-socket.forbidden',
    cause: 'for virtual users, whose uid the userdb gives to all; RuntimeDirectoryMode=0700',
    says: /coi-sidecar \(0700, uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o700)(stage.dovecot.layout.sidecarDir, () => examine({ dovecot: 'mail_uid =' })),
  },
  {
    fault: 'dict-socket.forbidden',
    cause: 'for a user whom Dovecot lists, where each has an own uid',
    says: /the mail user \(uid 8\) may not connect to/,
    skip: notRoot,
    break: async ({ stage }, examine) => {
      const { version } = stage.dovecot;
      const rig = await startDoctorRig({ version, users: ['bob@example.org'] });
      const { dict } = rig.stage.dovecot.sockets;
      return withMode(0o600)(dict, () => examine({ dovecot: 'mail_uid =' }, rig)).finally(() =>
        rig.close(),
      );
    },
  },
  {
    fault: 'dict-socket.wrong-answer',
    break: async ({ stage }, examine) => {
      const path = join(stage.dovecot.layout.sidecarDir, 'deny.sock');
      const server = createServer((socket) => {
        socket.on('error', () => undefined).once('data', () => socket.end('F1\tno\n'));
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      await chmod(path, 0o666);
      return examine(socketAt(path)).finally(() => server.close());
    },
  },
  { fault: 'notices.no-exporter', break: () => ({ config: DOVEADM }) },
  { fault: 'notices.no-metric', break: (rig) => notices(rig, noticesUrl(rig), '') },
  {
    fault: 'notices.no-getmetadata',
    break: (rig) => notices(rig, noticesUrl(rig), 'cmd_name=SETMETADATA'),
  },
  {
    fault: 'notices.elsewhere',
    says: /ECONNREFUSED/,
    break: (rig) => notices(rig, 'http://dovecot:x@127.0.0.1:1/v1/imap-commands'),
  },
  {
    fault: 'notices.token-refused',
    break: (rig) => notices(rig, noticesUrl(rig, 'change-me')),
  },
  {
    fault: 'capability.not-announced',
    says: /no COI and no WEBPUSH/,
    break: (rig) => ({
      dovecot: is23(rig)
        ? 'protocol imap {\n  imap_capability =\n}'
        : 'service imap {\n  imap_capability {\n    COI = no\n    WEBPUSH = no\n  }\n}',
    }),
  },
  {
    fault: 'capability.before-login',
    says: /COI and WEBPUSH before login/,
    break: async (rig, examine) => {
      const { dovecot } = rig.stage;
      await dovecot.reconfigure(
        is23(rig)
          ? 'service imap-login {\n  executable = imap-login\n}'
          : 'imap_capability {\n  COI = yes\n  WEBPUSH = yes\n}',
      );
      // Processes that wait for logins are replaced one by one.
      return eventually(async () => {
        const report = await examine();
        if (faultsOf(report).length === 0) throw new Error('not yet');
        return report;
      }, 15_000).finally(() => dovecot.reconfigure(''));
    },
  },
  {
    fault: 'capability.unreachable',
    says: /ECONNREFUSED/,
    break: () => ({
      dovecot: 'service imap-login {\n  inet_listener imap {\n    port = 1\n  }\n}',
    }),
  },
];
