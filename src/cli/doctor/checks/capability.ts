import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { errorMessage } from '../../../errors.ts';
import { defineCheck } from '../check.ts';
import { readCapability } from '../probes/read-capability.ts';

export const WORDS = ['COI', 'WEBPUSH'];

/** Whether they are there after login is seen on a trip, by who has a password. */
export const capability = defineCheck({
  name: 'capability',
  part: 'metadata',
  title: 'CAPABILITY names COI and WEBPUSH, after login only',
  needs: ['dovecot'],
  faults: {
    'not-announced': {
      severity: 'warning',
      what: 'imap_capability adds no {words}: clients do not look for what they are not told of.',
      remedy:
        'Copy dovecot-conf/{series}/95-coi-capability.conf to conf.d and reload, unless the userdb adds them.',
    },
    'before-login': {
      severity: 'warning',
      what: 'CAPABILITY names {words} before login, which the specification does not allow.',
      remedy: 'Copy dovecot-conf/{series}/95-coi-capability.conf to conf.d, and reload Dovecot.',
    },
    unreachable: {
      severity: 'error',
      what: '{problem}.',
      remedy: 'Start Dovecot; its log says why it does not serve IMAP there.',
    },
  },
  run: async ({ dovecot }, report) => {
    const { series, protocols, server } = dovecot.settings as DovecotSettings;
    const missing = WORDS.filter((word) => !protocols.imap.capability.has(word));
    if (missing.length > 0) {
      report.fault('not-announced', { words: missing.join(' and no '), series });
    }
    const [listener] = server.imap;
    if (!server.served.has('imap') || listener === undefined) {
      report.skip('Dovecot serves no IMAP here');
      return;
    }
    try {
      const shown = await readCapability(listener);
      const early = WORDS.filter((word) => shown.has(word));
      if (early.length > 0) report.fault('before-login', { words: early.join(' and '), series });
      report.note(`port ${listener.port}`);
    } catch (error) {
      report.fault('unreachable', { problem: errorMessage(error) });
    }
  },
});
