import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { findService } from '../probes/find-service.ts';

const PATH = '/v1/imap-commands';

export const notices = defineCheck({
  name: 'notices',
  part: 'metadata',
  title: 'Dovecot tells the service at once that a user changed annotations',
  needs: ['configuration', 'dovecot', 'service'],
  applies: ({ config }) => config.metadata.source === 'doveadm',
  faults: {
    'no-exporter': {
      severity: 'warning',
      what: 'no event_exporter leads to {path}: changes are noticed at the next message only.',
      remedy:
        'Copy dovecot-conf/{series}/95-coi-notices.conf to conf.d, write what it includes, and reload Dovecot.',
    },
    'no-metric': {
      severity: 'warning',
      what: 'no metric gives SETMETADATA to the exporter {name}.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-notices.conf to conf.d, and reload Dovecot.',
    },
    'no-getmetadata': {
      severity: 'warning',
      what: 'the metric for the exporter {name} leaves GETMETADATA out: who is new does not see mailbox-root and the VAPID key.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-notices.conf to conf.d again, and reload Dovecot.',
    },
    elsewhere: {
      severity: 'error',
      what: 'the exporter {name} does not lead to the service: {problem}.',
      remedy:
        'Set its URL to http://dovecot:TOKEN@{host}{path} (95-coi-notices.conf), and reload Dovecot.',
    },
    'token-refused': {
      severity: 'error',
      what: 'the service refuses the password in the URL of the exporter {name}.',
      remedy:
        'Put http.token there: http://dovecot:TOKEN@{host}{path} (95-coi-notices.conf), and reload Dovecot.',
    },
  },
  run: async (setup, report) => {
    const { series, server } = setup.dovecot.settings as DovecotSettings;
    const host = new URL(setup.origin).host;
    const exporter = server.exporters.find(
      ({ url }) => URL.canParse(url) && new URL(url).pathname === PATH,
    );
    if (exporter === undefined) {
      report.fault('no-exporter', { path: PATH, series });
      return;
    }
    const { name, filters } = exporter;
    if (!filters.some((filter) => /\bSETMETADATA\b/i.test(filter))) {
      report.fault('no-metric', { name, series });
    } else if (!filters.some((filter) => /\bGETMETADATA\b/i.test(filter))) {
      report.fault('no-getmetadata', { name, series });
    }
    const url = new URL(exporter.url);
    const problem = await findService(setup, url.origin);
    if (problem !== undefined) {
      report.fault('elsewhere', { name, problem, host, path: PATH });
      return;
    }
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    const { status } = await setup.ask(new URL(PATH, url.origin), {
      method: 'POST',
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      body: '{}',
    });
    if (status === 400) report.note(url.origin);
    else report.fault('token-refused', { name, host, path: PATH });
  },
});
