import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { deliveryProtocol } from '../delivery.ts';
import { findService } from '../probes/find-service.ts';
import { readSecret } from '../read-secret.ts';
import { bearer } from '../setup/ask-http.ts';
import { runsCoi } from './events-driver.ts';

/** The probe of this road: asks as coi.lua does, at Dovecot's URL and with Dovecot's token. */
export const eventsUrl = defineCheck({
  name: 'events-url',
  part: 'events',
  title: 'coi.lua reaches the service, which takes its token',
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
      remedy: 'Set it to http.token of coi-sidecar.yaml in 95-coi-events.conf, and reload Dovecot.',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const lua = settings.protocols[deliveryProtocol(settings)].pushDrivers.find(runsCoi);
    if (lua === undefined) {
      report.skip('Dovecot does not run coi.lua');
      return;
    }
    const { origin, ask } = setup;
    const { url = '', token } = lua.settings;
    if (url === '') {
      const state = lua.settings.url === undefined ? 'not set' : 'empty';
      report.fault('url-unset', { state, origin });
      return;
    }
    const problem = await findService(setup, url);
    if (problem !== undefined) {
      report.fault('url-elsewhere', { url: withoutCredentials(url), problem, origin });
      return;
    }
    const shown = await readSecret(token);
    if (shown === undefined && token?.startsWith('<') === true) {
      report.skip('the file of coi_sidecar_token cannot be read from here');
      return;
    }
    const { status } = await ask(new URL('/v1/events', url), {
      method: 'POST',
      authorization: bearer(shown ?? ''),
      body: '{}',
    });
    if (status === 400) report.note(url);
    else report.fault('token-refused', { state: stateOf(shown) });
  },
});

const stateOf = (token: string | undefined): string =>
  token === undefined ? 'not set' : token === 'change-me' ? 'still change-me' : 'another one';

/** Nobody needs them there, and whoever puts them there does not want to read them here. */
const withoutCredentials = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
