import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { runCommand } from '../../demo/run-command.ts';
import { actAs, type Identity } from '../act-as.ts';
import { defineCheck } from '../check.ts';
import { NAME_ONE } from '../try-as-mail-user.ts';
import { agentsOf, startedAs, usesSocket } from '../delivery.ts';

/**
 * LMTP is root, until it delivers to somebody: it has its settings from Dovecot's own service, and takes
 * the groups of mail_access_groups. A dovecot-lda that an MTA starts has to make do with what it is.
 */
export const lda = defineCheck({
  name: 'lda',
  part: 'dovecot',
  title: 'A dovecot-lda that is not started by root delivers',
  needs: ['dovecot'],
  faults: {
    unreadable: {
      severity: 'warning',
      what: 'a dovecot-lda that the MTA starts as the mail user (uid {uid}) delivers nothing: {problem}.',
      remedy:
        'chmod 644 that file, and put what is secret in it into a file of its own, by !include_try. Where all mail comes by LMTP, or from a dovecot-lda that root starts, nothing is lost.',
    },
    'kept-out': {
      severity: 'warning',
      what: 'a dovecot-lda that the MTA starts as the mail user (uid {uid}, gid {gid}) may not connect to {path}: chat stays in INBOX, and nothing is pushed.',
      remedy:
        'Have mail come by LMTP (docs/install-debian-12.md or -13.md, "Users of the system: from mailbox_command to LMTP"); or give the one user who owns all mail the group coi-mail, in Dovecot (gid of the userdb, or mail_gid) and where the MTA starts it. With a dovecot-lda that root starts all is well.',
    },
  },
  run: async (setup, report) => {
    const { dovecot, config, options, mailUser } = setup;
    const { guessed, problem } = mailUser;
    const lda = agentsOf(setup).find(({ protocol }) => protocol === 'lda');
    const starter = lda && (await startedAs(lda, mailUser));
    const identity = starter ?? mailUser.identity;
    if (identity === undefined) {
      report.skip(`as whom an MTA would start dovecot-lda: ${problem}`);
      return;
    }
    if (process.getuid?.() !== 0 || setup.configurationProblem !== undefined) {
      report.skip('what dovecot-lda may do as the mail user: only root can try it');
      return;
    }
    const settings = dovecot.settings as DovecotSettings;
    const ran = await readAsLda(settings.series, options.dovecotConfig, identity);
    if (ran.exitCode === 0) report.note(`as uid ${identity.uid}`);
    else {
      const said = ran.stderr.trim().split('\n').at(-1) ?? '';
      const reason = said.replace(/^doveconf: (Fatal: )?|\.$/g, '');
      if (/Permission denied/.test(said)) {
        report.fault('unreadable', { uid: identity.uid, problem: reason });
      } else report.skip(`whether the mail user may read Dovecot’s configuration: ${reason}`);
    }
    // Where nothing is known to use it, it is the exception.
    if (lda === undefined || !usesSocket(settings.protocols.lda.sieve)) return;
    const path = config.sieve.socket;
    // Of the users of a system none should have the group of mail processes as their own.
    if (guessed && starter === undefined) {
      report.skip(`whether it may use ${path}: ${NAME_ONE}`);
      return;
    }
    const [connected] = await actAs({ ...identity, groups: [] }, [{ do: 'connect', path }]);
    if (connected?.done === false && connected.code === 'EACCES') {
      report.fault('kept-out', { uid: identity.uid, gid: identity.gid, path });
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
