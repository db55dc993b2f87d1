import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck, type Reporter } from '../check.ts';
import type { Setup } from '../setup/setup.ts';

/** As doveadm_allowed_commands names them. */
const COMMANDS = [
  ...['fetch', 'flags add', 'mailbox create', 'mailbox list', 'mailbox rename', 'mailbox status'],
  'move',
];
const ANNOTATION_COMMANDS = ['get', 'list', 'set', 'unset'].map(
  (verb) => `mailbox metadata ${verb}`,
);

export const doveadmApi = defineCheck({
  name: 'doveadm-api',
  part: 'commands',
  title: 'The doveadm API answers, takes our key, and lets us do what is needed',
  needs: [],
  faults: {
    'no-listener': {
      severity: 'error',
      what: 'service doveadm has no inet_listener http.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-doveadm-api.conf to conf.d, and restart Dovecot.',
    },
    refused: {
      severity: 'error',
      what: '{problem}.',
      remedy:
        'Set doveadm.url to what 95-coi-doveadm-api.conf has, and doveadm.api_key to what /etc/dovecot/coi/api-key.conf has.',
    },
    'open-to-all': {
      severity: 'warning',
      what: 'the doveadm API listens on all addresses of this host (port {port}); it may do everything.',
      remedy: 'Set its {setting} to 127.0.0.1, or let nobody else reach it (firewall).',
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
  },
  run: (setup, report) => {
    checkSettings(setup, report);
    const { doveadmProblem, config } = setup;
    if (doveadmProblem === undefined) report.note(config.doveadm.url);
    else report.fault('refused', { problem: doveadmProblem });
  },
});

function checkSettings(
  { dovecot, config }: Setup,
  report: Reporter<keyof typeof doveadmApi.faults>,
): void {
  if (dovecot.settings === undefined) {
    report.skip(`who may reach it, and how fast it is: ${dovecot.problem}`);
    return;
  }
  const { series, server } = dovecot.settings satisfies DovecotSettings;
  const { http, processPerRequest, allowedCommands } = server.doveadm;
  const is23 = series === '2.3';
  if (http.length === 0) report.fault('no-listener', { series });
  for (const { port, everywhere } of http) {
    if (everywhere) report.fault('open-to-all', { port, setting: is23 ? 'address' : 'listen' });
  }
  if (http.length > 0 && processPerRequest) {
    const setting = is23 ? 'service_count = 0' : 'restart_request_count = unlimited';
    report.fault('process-per-request', { setting });
  }
  const needed =
    config.metadata.source === 'dict' ? COMMANDS : [...COMMANDS, ...ANNOTATION_COMMANDS];
  const lacking = needed.filter((name) => !allowedCommands.includes(name));
  if (allowedCommands.length > 0 && lacking.length > 0) {
    report.fault('commands-forbidden', { commands: lacking.map((name) => `"${name}"`).join(', ') });
  }
}
