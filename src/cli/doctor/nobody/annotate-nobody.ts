import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { PROBE_USER } from '../../../events/probes.ts';
import { runCommand } from '../../demo/run-command.ts';
import type { Setup } from '../setup/setup.ts';
import { isThere } from './deliver-to-nobody.ts';
import { openNobody } from './open-nobody.ts';
import { readComplaints } from './read-complaints.ts';

/** Not one of the specifications', so that it passes through as other clients' entries do. */
const ENTRY = '/private/vendor/coi-sidecar/doctor';

/** What became of an annotation of nobody's. */
export interface NobodysAnnotation {
  /** Whether there was a greeting at all. */
  started: boolean;
  /** What the server answered to SETMETADATA: `OK`, `NO`, `BAD`; empty without an answer. */
  set: string;
  /** Whether GETMETADATA gave back what was set. */
  isKept: boolean;
  /** What Dovecot said of it in its log, or else to the client. */
  complaints: string;
}

/**
 * Has the real Dovecot set an annotation, get it and remove it over IMAP, with its configuration and the
 * rights of mail processes, for a user that there is not. An imap process whose standard output is a pipe
 * takes the user from its arguments, and no password.
 *
 * @returns undefined when it cannot be tried from here, after `skip` was told why
 * @see Dovecot src/imap/main.c, main_stdio_run
 */
export async function annotateNobody(
  setup: Setup,
  skip: (reason: string) => void,
): Promise<NobodysAnnotation | undefined> {
  const settings = setup.dovecot.settings as DovecotSettings;
  const program = join(settings.server.libexecDir, 'imap');
  const { identity, problem } = setup.mailUser;
  if (process.getuid?.() !== 0)
    skip('only root can have Dovecot serve IMAP to a user without a login');
  else if (identity === undefined) skip(`as whom Dovecot serves IMAP: ${problem}`);
  else if (!(await isThere(program))) skip(`there is no ${program}`);
  else {
    await using nobody = await openNobody(setup, settings, identity);
    const value = randomUUID();
    // Node's own pipes are sockets, which imap takes for inetd.
    const args = ['-u', PROBE_USER, ...nobody.options([['mail_plugins', '']])];
    const ran = await runCommand('sh', ['-c', '"$0" "$@" | cat', program, ...args], {
      input: dialogue(value),
    });
    const [, set = '', text = ''] = /^a (\w+) (.*?)\.?\r$/m.exec(ran.stdout) ?? [];
    return {
      started: ran.stdout.startsWith('* PREAUTH '),
      set,
      isKept: ran.stdout.includes(value),
      complaints: readComplaints(ran.stderr) || text,
    };
  }
  return undefined;
}

const dialogue = (value: string): string =>
  [
    `a SETMETADATA "" (${ENTRY} "${value}")`,
    `b GETMETADATA "" ${ENTRY}`,
    `c SETMETADATA "" (${ENTRY} NIL)`,
    'd LOGOUT',
    '',
  ].join('\r\n');
