import { chmod } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { DoctorRig, Examination } from '../../../support/doctor-rig.ts';
import { startRecordingHttpServer } from '../../../support/recording-http-server.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Seed } from '../seeded-faults.ts';
import { withMode, withOwner } from './change-for-a-while.ts';
import { leaveDeadSocket } from './leave-dead-socket.ts';

const is23 = ({ stage }: DoctorRig): boolean => stage.dovecot.version === '2.3';

const listener = (...lines: string[]): Examination => ({
  dovecot: `service doveadm {\n  inet_listener http {\n${lines.join('\n')}\n  }\n}`,
});

/** All that metadata.source: dict cannot do without. */
const FOR_MAIL = [
  ...[
    'fetch',
    'flags add',
    'mailbox create',
    'mailbox delete',
    'mailbox list',
    'mailbox rename',
    'mailbox status',
    'mailbox subscribe',
  ],
  'move',
];

/** Nothing but these is allowed. */
const allowing =
  (...names: readonly string[]) =>
  (rig: DoctorRig): string =>
    is23(rig)
      ? `doveadm_allowed_commands = ${names.join(',')}`
      : `doveadm_allowed_commands {\n${names.map((name) => `"${name}" = yes`).join('\n')}\n}`;

export const commandFaults: readonly Seed[] = [
  {
    fault: 'doveadm-api.no-listener',
    cause: 'no port',
    says: /at a port\.$/,
    break: ({ stage }) => ({
      ...listener('port = 0'),
      config: { doveadm: { url: stage.dovecot.doveadm.url } },
    }),
  },
  {
    fault: 'doveadm-api.no-listener',
    cause: 'no socket',
    says: /at \S*dovecot\/http\.$/,
    break: () => ({ dovecot: 'service doveadm {\n  unix_listener http {\n    mode = 0\n  }\n}' }),
  },
  {
    fault: 'doveadm-api.forbidden',
    // The service runs as the owner of its classify socket.
    says: /uid 1\).*dovecot\/http \(0600/,
    skip: notRoot,
    break: ({ stage }, examine) => withOwner(1)(stage.dovecot.sockets.classify, examine),
  },
  {
    fault: 'doveadm-api.refused',
    cause: 'another key',
    says: /refused our key/,
    break: () => ({ config: { doveadm: { api_key: 'another' } } }),
  },
  {
    fault: 'doveadm-api.refused',
    cause: 'nobody is there',
    says: /does not answer/,
    break: () => ({ config: { doveadm: { url: 'http://127.0.0.1:1/doveadm/v1' } } }),
  },
  {
    fault: 'doveadm-api.open-to-all',
    break: (rig) => listener(is23(rig) ? 'address = *' : 'listen = *'),
  },
  {
    fault: 'doveadm-api.port-taken',
    cause: 'and Dovecot was not restarted since',
    says: /^port \d+, .* is taken by another program/,
    break: async (_rig, examine) => {
      await using other = await startRecordingHttpServer(() => ({ status: 404, body: 'Tomcat' }));
      return await examine(listener(`port = ${new URL(other.url).port}`));
    },
  },
  {
    fault: 'doveadm-api.port-taken',
    cause: 'by a program that speaks something else',
    break: async (_rig, examine) => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined).end('220 ftp.example.org\r\n');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      return examine(listener(`port = ${port}`)).finally(() => server.close());
    },
  },
  {
    fault: 'doveadm-api.process-per-request',
    break: (rig) => ({
      dovecot: `service doveadm {\n  ${is23(rig) ? 'service_count' : 'restart_request_count'} = 1\n}`,
    }),
  },
  {
    fault: 'doveadm-api.commands-forbidden',
    says: /"mailbox create"/,
    break: (rig) => ({ dovecot: allowing('fetch', 'move', 'user')(rig) }),
  },
  {
    fault: 'doveadm-api.commands-forbidden',
    cause: 'those for annotations',
    says: /lacks "mailbox metadata get", "mailbox metadata list"/,
    break: (rig) => ({
      config: { metadata: { source: 'doveadm' } },
      dovecot: allowing(...FOR_MAIL, 'user')(rig),
    }),
  },
  {
    fault: 'doveadm-api.owners-unknown',
    break: (rig) => ({ dovecot: allowing(...FOR_MAIL)(rig) }),
  },
  {
    fault: 'doveadm-socket.absent',
    break: () => ({ config: { doveadm: { socket: '/nowhere/coi-doveadm' } } }),
  },
  {
    fault: 'doveadm-socket.mode',
    says: /mode 0660/,
    break: ({ stage }, examine) => withMode(0o660)(stage.dovecot.doveadm.socket, examine),
  },
  {
    fault: 'doveadm-socket.forbidden',
    // The service runs as the owner of its classify socket.
    says: /uid 1\).*coi-doveadm \(0600/,
    skip: notRoot,
    break: ({ stage }, examine) => withOwner(1)(stage.dovecot.sockets.classify, examine),
  },
  {
    fault: 'doveadm-socket.deaf',
    cause: 'as Dovecot leaves it when it is stopped',
    says: /^nobody answers at \S+dead\.sock: .*ECONNREFUSED/,
    skip: notRoot,
    break: async ({ stage }, examine) => {
      const path = join(stage.dovecot.layout.sidecarDir, 'dead.sock');
      leaveDeadSocket(path);
      await chmod(path, 0o600);
      return examine({ config: { doveadm: { socket: path } } });
    },
  },
  {
    fault: 'doveadm-socket.wrong-answer',
    break: async ({ stage }, examine) => {
      const path = join(stage.dovecot.layout.sidecarDir, 'mute.sock');
      const server = createServer((socket) => {
        socket.on('error', () => undefined).once('data', () => socket.end('what?\n'));
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      await chmod(path, 0o600);
      return examine({ config: { doveadm: { socket: path } } }).finally(() => server.close());
    },
  },
];
