import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';

/** Which delivery agent mail comes by: what is right for one may be wrong for the other. */
export const mta = defineCheck({
  name: 'mta',
  part: 'dovecot',
  title: 'The MTA hands mail to a delivery agent of Dovecot’s',
  needs: ['dovecot'],
  faults: {
    bypassed: {
      severity: 'error',
      what: '{mta} does not hand mail to Dovecot ({setting}): no Sieve script runs, and no event comes of new mail.',
      remedy:
        'Have it deliver by LMTP: in Postfix "mailbox_transport = lmtp:unix:private/dovecot-lmtp" (virtual users: virtual_transport), in Exim a transport with "driver = lmtp"; then reload it (docs/install-debian-12.md or -13.md, "Users of the system: from mailbox_command to LMTP").',
    },
    'not-served': {
      severity: 'error',
      what: '{mta} delivers by LMTP ({setting}), but Dovecot does not serve it: no mail comes in.',
      remedy: 'Install dovecot-lmtpd, or add lmtp to "protocols", and restart Dovecot.',
    },
  },
  run: ({ dovecot, mta: { mta: found, problem } }, report) => {
    const { server } = dovecot.settings as DovecotSettings;
    const isServed = server.served.has('lmtp');
    if (found === undefined) {
      if (problem !== '') report.skip(`by what it delivers: ${problem}`);
      else
        report.note(`no MTA is seen on this host; ${isServed ? 'LMTP is served' : 'dovecot-lda'}`);
      return;
    }
    for (const { by, setting } of found.deliveries) {
      const values = { mta: found.name, setting };
      if (by === 'lmtp' && !isServed) report.fault('not-served', values);
      else if (by === 'lmtp' || by === 'lda') {
        report.note(`${found.name} uses ${by === 'lmtp' ? 'LMTP' : 'dovecot-lda'} (${setting})`);
      } else if (server.lmtp.some((one) => 'everywhere' in one && one.everywhere)) {
        // What comes from elsewhere is not this MTA's business.
        report.note(`LMTP from other hosts; ${found.name} of this one keeps its mail to itself`);
      } else report.fault('bypassed', values);
    }
  },
});
