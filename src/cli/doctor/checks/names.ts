import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { agentsOf } from '../delivery.ts';

/** What a user sets over IMAP holds for one name, and their mail comes for one: they have to be the same. */
export const names = defineCheck({
  name: 'names',
  part: 'dovecot',
  title: 'Mail comes for users by the names that they have over IMAP',
  needs: ['dovecot'],
  faults: {
    'other-names': {
      severity: 'error',
      what: '{agent} takes the domain off users’ names (auth_username_format = {theirs}), and IMAP does not ({ours}): who is bob@example.org over IMAP is bob where mail comes, and has neither chat nor pushes.',
      remedy:
        'Set auth_username_format in protocol {protocol} to what it is for IMAP (Debian 13: comment out the line in conf.d/20-lmtp.conf), and reload Dovecot.',
    },
    'other-names-at-login': {
      severity: 'error',
      what: 'IMAP takes the domain off users’ names (auth_username_format = {ours}), and {agent} does not ({theirs}): who is bob over IMAP is bob@example.org where mail comes, and has neither chat nor pushes.',
      remedy:
        'Set auth_username_format in protocol {protocol} to what it is for IMAP, and reload Dovecot.',
    },
    'unknown-names': {
      severity: 'error',
      what: '{mta} hands LMTP mail for bob@example.org ({setting}), and users of the system have no domain, which LMTP leaves on (auth_username_format = {theirs}): it refuses all mail for them.',
      remedy: 'Set auth_username_format = {wanted} in protocol lmtp, and reload Dovecot.',
    },
  },
  run: (setup, report) => {
    const { protocols, server, series } = setup.dovecot.settings as DovecotSettings;
    const ours = protocols.imap.usernameFormat;
    // Another name that the userdb gives comes last of all.
    const known = setup.mailUser.fields['user'] ?? setup.mailUser.name;
    const isSystem = server.userdbs.every(({ driver }) => driver === 'passwd');
    for (const { protocol, name: agent, delivery } of agentsOf(setup)) {
      const theirs = protocols[protocol].usernameFormat;
      const values = { agent, protocol, theirs, ours };
      const isByMta = protocol === 'lmtp' && delivery !== undefined;
      if (isByMta && isSystem && server.userdbs.length > 0 && !dropsDomain(theirs)) {
        const { setting } = delivery;
        const wanted = WITHOUT_DOMAIN[series];
        report.fault('unknown-names', { mta: setup.mta.mta?.name ?? '', setting, theirs, wanted });
      } else if (dropsDomain(theirs) === dropsDomain(ours)) report.note(`${agent}: ${theirs}`);
      else if (dropsDomain(ours)) report.fault('other-names-at-login', values);
      else if (known?.includes('@') === true) report.fault('other-names', values);
      else if (known !== undefined || isSystem) report.note(`${agent}: users have no domain`);
      else {
        report.skip(
          `whether users’ names have a domain, which ${agent} takes off (auth_username_format = ${theirs}): name one with --user`,
        );
      }
    }
  },
});

const WITHOUT_DOMAIN = { '2.3': '%Ln', '2.4': '%{user | username | lower}' } as const;

/** `%n`, `%Ln`; `%{user | username | lower}`, `%{username}` */
const dropsDomain = (format: string): boolean =>
  /%[A-Z]*n/.test(format) || /%\{\s*(?:user\s*\|\s*)?username\b/.test(format);
