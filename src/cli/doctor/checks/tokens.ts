import { defineCheck } from '../check.ts';
import { bearer } from '../setup/ask-http.ts';

/** A wrong token is the most frequent fault, and a restart that was forgotten its usual cause. */
export const tokens = defineCheck({
  name: 'tokens',
  part: 'service',
  title: 'The service takes http.token and http.admin_token',
  needs: ['configuration', 'service'],
  faults: {
    'token-refused': {
      severity: 'error',
      what: 'the service at {origin} refuses http.token: it was started with another.',
      remedy: 'Restart the service, or give this command the configuration that it runs with.',
    },
    'admin-token-refused': {
      severity: 'error',
      what: 'the service at {origin} refuses http.admin_token: it was started with another, or none.',
      remedy: 'Restart the service, or give this command the configuration that it runs with.',
    },
  },
  run: async ({ ask, origin, config }, report) => {
    // An empty body is refused for what it is, but only after the token.
    const events = await ask(new URL('/v1/events', origin), {
      method: 'POST',
      authorization: bearer(config.http.token),
      body: '{}',
    });
    if (events.status !== 400) report.fault('token-refused', { origin });
    if (config.http.admin_token === '') {
      report.note('no admin calls: http.admin_token is empty');
      return;
    }
    const admin = await ask(new URL('/v1/throttled', origin), {
      authorization: bearer(config.http.admin_token),
    });
    if (admin.status !== 200) report.fault('admin-token-refused', { origin });
  },
});
