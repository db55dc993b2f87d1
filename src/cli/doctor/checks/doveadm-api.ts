import { join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { actAs, canActAs } from '../act-as.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { findBarrier } from '../find-barrier.ts';
import { knock } from '../probes/knock.ts';
import type { Setup } from '../setup/setup.ts';

/**
 * As doveadm_allowed_commands names them. The service does without `user` (see `LogOwners`), and without
 * `mailbox metadata get` where nothing but the trash is asked for (see the check `namespace`).
 */
const COMMANDS = [
  ...['fetch', 'flags add', 'mailbox create', 'mailbox delete', 'mailbox list', 'mailbox rename'],
  ...['mailbox status', 'mailbox subscribe'],
  'move',
];
const ANNOTATION_COMMANDS = ['get', 'list', 'set', 'unset'].map(
  (verb) => `mailbox metadata ${verb}`,
);

export const doveadmApi = defineCheck({
  name: 'doveadm-api',
  part: 'commands',
  title: 'The doveadm API answers, takes our key, and lets us do what is needed',
  needs: ['configuration'],
  faults: {
    'no-listener': {
      severity: 'error',
      what: 'service doveadm has no listener that speaks HTTP at {place}.',
      remedy:
        'Copy dovecot-conf/{series}/95-coi-doveadm-socket.conf to conf.d, set doveadm.url: "unix:{socket}", and restart Dovecot and the service.',
    },
    forbidden: {
      severity: 'error',
      what: 'the service (uid {uid}) may not connect to {path}: {barrier}.',
      remedy: 'Set user = coi-sidecar there (95-coi-doveadm-socket.conf), and restart Dovecot.',
    },
    refused: {
      severity: 'error',
      what: '{problem}.',
      remedy:
        'Set doveadm.url to what 95-coi-doveadm-socket.conf (or -api.conf) has, and doveadm.api_key to what /etc/dovecot/coi/api-key.conf has; start Dovecot if it is not running.',
    },
    'open-to-all': {
      severity: 'warning',
      what: 'the doveadm API listens on all addresses of this host (port {port}); it may do everything.',
      remedy: 'Set its {setting} to 127.0.0.1, or let nobody else reach it (firewall).',
    },
    'port-taken': {
      severity: 'error',
      what: 'port {port}, on which Dovecot is to serve the doveadm API, is taken by another program: Dovecot does not start again, and there is no mail then.',
      remedy:
        'Before Dovecot is restarted: use 95-coi-doveadm-socket.conf, which needs no port, in place of 95-coi-doveadm-api.conf; or set another port there and in doveadm.url.',
    },
    'process-per-request': {
      severity: 'warning',
      what: 'Dovecot starts a process for each call: 13 ms instead of 5.',
      remedy: 'Set {setting} in service doveadm, as the snippet does, and reload Dovecot.',
    },
    'commands-forbidden': {
      severity: 'error',
      what: 'doveadm_allowed_commands lacks {commands}.',
      remedy: 'Add them there, and reload Dovecot.',
    },
    'owners-unknown': {
      severity: 'warning',
      what: 'doveadm_allowed_commands lacks "user", so that the service cannot ask whose mail a system user holds: what stands in an event log is believed, whomever it tells of.',
      remedy:
        'Add it there, and reload Dovecot; where one system user runs the mail processes of all, it changes nothing.',
    },
  },
  run: async (setup, report) => {
    checkSettings(setup, report);
    await checkPorts(setup, report);
    const { doveadmProblem, config } = setup;
    if (doveadmProblem !== undefined) report.fault('refused', { problem: doveadmProblem });
    else if (!(await isForbidden(setup, report))) report.note(config.doveadm.url);
  },
});

type Report = Reporter<keyof typeof doveadmApi.faults>;

/** Whoever runs this may be let in where the service is not. */
async function isForbidden({ config, serviceUser }: Setup, report: Report): Promise<boolean> {
  const path = socketOf(config);
  if (path === undefined || serviceUser === undefined || !canActAs(serviceUser)) return false;
  const [connected] = await actAs(serviceUser, [{ do: 'connect', path, greeting: QUESTION }]);
  if (connected?.done !== false) return false;
  const barrier = await findBarrier(path, serviceUser);
  report.fault('forbidden', { uid: serviceUser.uid, path, barrier });
  return true;
}

/** Whether what listens where Dovecot is to is Dovecot; nobody may, before it is restarted. */
async function checkPorts({ dovecot, ask }: Setup, report: Report): Promise<void> {
  for (const { host, port, tls } of dovecot.settings?.server.doveadm.http ?? []) {
    if (tls || (await knock(host, port)) !== undefined) continue;
    const answer = await ask(
      `http://${host.includes(':') ? `[${host}]` : host}:${port}/doveadm/v1`,
    ).catch(() => undefined);
    if (!/dovecot|doveadm/i.test(answer?.challenge ?? '')) report.fault('port-taken', { port });
  }
}

/** What needs no key; doveadm complains of those who say nothing. */
const QUESTION = 'OPTIONS /doveadm/v1 HTTP/1.1\r\nHost: doveadm\r\nConnection: close\r\n\r\n';

const socketOf = ({ doveadm: { url } }: Setup['config']): string | undefined =>
  url.startsWith('unix:') ? url.slice('unix:'.length) : undefined;

function checkSettings({ dovecot, config }: Setup, report: Report): void {
  if (dovecot.settings === undefined) {
    report.skip(`who may reach it, and how fast it is: ${dovecot.problem}`);
    return;
  }
  const { series, server } = dovecot.settings satisfies DovecotSettings;
  const { http, httpSockets, processPerRequest, allowedCommands } = server.doveadm;
  const is23 = series === '2.3';
  const socket = socketOf(config);
  const isThere = socket === undefined ? http.length > 0 : httpSockets.includes(socket);
  if (!isThere) {
    const values = { series, socket: join(server.baseDir, 'http') };
    report.fault('no-listener', { ...values, place: socket ?? 'a port' });
  }
  for (const { port, everywhere } of http) {
    if (everywhere) report.fault('open-to-all', { port, setting: is23 ? 'address' : 'listen' });
  }
  if (isThere && processPerRequest) {
    const setting = is23 ? 'service_count = 0' : 'restart_request_count = unlimited';
    report.fault('process-per-request', { setting });
  }
  const needed =
    config.metadata.source === 'dict' ? COMMANDS : [...COMMANDS, ...ANNOTATION_COMMANDS];
  const lacking = needed.filter((name) => !allowedCommands.includes(name));
  if (allowedCommands.length > 0 && lacking.length > 0) {
    report.fault('commands-forbidden', { commands: lacking.map((name) => `"${name}"`).join(', ') });
  }
  if (allowedCommands.length > 0 && !allowedCommands.includes('user')) {
    report.fault('owners-unknown');
  }
}
