import type { DovecotSettings, PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { agentsOf } from '../delivery.ts';
import { findService } from '../probes/find-service.ts';
import { findOx, runsCoi } from '../push-driver.ts';
import { readSecret } from '../read-secret.ts';
import { bearer } from '../setup/ask-http.ts';
import type { Setup } from '../setup/setup.ts';

/** The probe of this road: asks as Dovecot does, at its URL and with its token. */
export const eventsUrl = defineCheck({
  name: 'events-url',
  part: 'events',
  title: 'Dovecot reaches the service with its events, and the token is taken',
  needs: ['dovecot', 'service'],
  faults: {
    'url-unset': {
      severity: 'error',
      what: 'coi_sidecar_url is {state}: coi.lua tells nobody anything.',
      remedy: 'Set it to {origin} in 95-coi-events.conf, and reload Dovecot.',
    },
    'url-elsewhere': {
      severity: 'error',
      what: 'coi_sidecar_url = {url} does not lead to the service: {problem}.',
      remedy: 'Set it to {origin} (http.listen) in 95-coi-events.conf, and reload Dovecot.',
    },
    'token-refused': {
      severity: 'error',
      what: 'the service refuses coi_sidecar_token of Dovecot ({state}).',
      remedy:
        'Set it to http.token of coi-sidecar.yaml in /etc/dovecot/coi/token.conf (95-coi-events.conf), and reload Dovecot.',
    },
    'password-refused': {
      severity: 'error',
      what: 'the service refuses the password in the URL of the "ox" driver.',
      remedy:
        'Put http.token there, in /etc/dovecot/coi/ox-url.conf (95-coi-events-ox.conf), and reload Dovecot.',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    for (const { protocol } of agentsOf(setup)) {
      const { pushDrivers } = settings.protocols[protocol];
      const lua = pushDrivers.find(runsCoi);
      const ox = await findOx(setup, pushDrivers);
      if (lua !== undefined) await tryLua(lua, setup, report);
      else if (ox !== undefined) await tryOx(ox.url, setup, report);
      else report.skip('Dovecot has no driver that tells the service');
    }
  },
});

type Report = Reporter<keyof typeof eventsUrl.faults>;

async function tryLua({ settings }: PushDriver, setup: Setup, report: Report): Promise<void> {
  const { origin, ask } = setup;
  const { url = '', token } = settings;
  if (url === '') {
    report.fault('url-unset', { state: settings.url === undefined ? 'not set' : 'empty', origin });
    return;
  }
  const problem = await findService(setup, url);
  if (problem !== undefined) {
    report.fault('url-elsewhere', { url: withoutCredentials(url), problem, origin });
    return;
  }
  const shown = await readSecret(token);
  // Files of secrets are left out without a word for those who may not read them (!include_try).
  if (shown === undefined && (token?.startsWith('<') === true || process.getuid?.() !== 0)) {
    report.skip('the file of coi_sidecar_token cannot be read from here');
    return;
  }
  const { status } = await ask(new URL('/v1/events', url), {
    method: 'POST',
    authorization: bearer(shown ?? ''),
    body: '{}',
  });
  // An empty body is refused for what it is, but only after the token.
  if (status === 400) report.note(url);
  else report.fault('token-refused', { state: stateOf(shown) });
}

async function tryOx(text: string, { ask }: Setup, report: Report): Promise<void> {
  const url = new URL(text);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const { status } = await ask(url, {
    method: 'PUT',
    authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
    body: '{}',
  });
  if (status === 400) report.note(withoutCredentials(text));
  else report.fault('password-refused');
}

const stateOf = (token: string | undefined): string =>
  token === undefined ? 'not set' : token === 'change-me' ? 'still change-me' : 'another one';

/** Nobody needs them there, and whoever puts them there does not want to read them here. */
const withoutCredentials = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
