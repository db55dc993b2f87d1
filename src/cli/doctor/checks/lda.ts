import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { runCommand } from '../../demo/run-command.ts';
import type { Identity } from '../act-as.ts';
import { defineCheck } from '../check.ts';

/** LMTP has its settings from a service that is root; only this program reads the files itself. */
export const lda = defineCheck({
  name: 'lda',
  part: 'dovecot',
  title: 'A dovecot-lda that is not started by root may read Dovecot’s configuration',
  needs: ['dovecot'],
  faults: {
    unreadable: {
      severity: 'warning',
      what: 'a dovecot-lda that the MTA starts as the mail user (uid {uid}) delivers nothing: {problem}.',
      remedy:
        'chmod 644 that file, and put what is secret in it into a file of its own, by !include_try. Where all mail comes by LMTP, or from a dovecot-lda that root starts, nothing is lost.',
    },
  },
  run: async ({ dovecot, options, mailUser }, report) => {
    const { identity, problem } = mailUser;
    if (identity === undefined) {
      report.skip(`as whom an MTA would start dovecot-lda: ${problem}`);
      return;
    }
    if (process.getuid?.() !== 0) {
      report.skip('whether the mail user may read Dovecot’s configuration: only root can try it');
      return;
    }
    const { series } = dovecot.settings as DovecotSettings;
    const ran = await readAsLda(series, options.dovecotConfig, identity);
    if (ran.exitCode === 0) report.note(`as uid ${identity.uid}`);
    else {
      const said = ran.stderr.trim().split('\n').at(-1) ?? '';
      const reason = said.replace(/^doveconf: (Fatal: )?|\.$/g, '');
      if (/Permission denied/.test(said)) {
        report.fault('unreadable', { uid: identity.uid, problem: reason });
      } else report.skip(`whether the mail user may read Dovecot’s configuration: ${reason}`);
    }
  },
});

/**
 * Has doveconf do what it does for dovecot-lda: read everything, and then start a program. What does
 * not concern that one may be forgiven, as a key of TLS is. MTAs start it with one group.
 *
 * @see Dovecot src/lib-master/master-service-settings.c, master_service_exec_config
 */
function readAsLda(series: string, configFile: string | undefined, { uid, gid }: Identity) {
  const as = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
  const where = configFile === undefined ? [] : ['-c', configFile];
  const how = series === '2.3' ? ['-f', 'service=lda', '-m', 'lda', '-m', 'ssl', '-e'] : ['-F'];
  return runCommand('setpriv', [...as, 'doveconf', ...where, ...how, '/bin/true']);
}
