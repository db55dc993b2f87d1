import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SieveSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { errorMessage } from '../../../errors.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { sievesOf, usesSocket } from '../delivery.ts';
import { askScript } from '../probes/ask-script.ts';
import { chooseSample } from '../probes/choose-sample.ts';
import { isClassification } from '../probes/sample-message.ts';
import type { Setup } from '../setup/setup.ts';
import { isOpenToAll, tryAsMailUser } from '../try-as-mail-user.ts';

/** The name that coi.sieve calls. */
const PROGRAM = 'coi-classify';

/** The snippets have one second; twice this is what a service that hangs costs every delivery. */
const MOST_MSECS = 5_000;

export const classifySocket = defineCheck({
  name: 'classify-socket',
  part: 'classify',
  title: 'Sieve finds the socket of the service, which answers',
  needs: ['configuration', 'dovecot'],
  applies: (setup) => setup.dovecot.settings === undefined || sievesOf(setup).some(usesSocket),
  faults: {
    elsewhere: {
      severity: 'error',
      what: 'Sieve looks for {theirs}, but sieve.socket is {ours}.',
      remedy: 'Set sieve_execute_socket_dir (below base_dir) to its directory, or sieve.socket.',
    },
    absent: {
      severity: 'error',
      what: 'there is no socket at {path}: chat goes to INBOX, and Dovecot logs "not found".',
      remedy: 'Start the service, which makes it; sieve.socket says where.',
    },
    deaf: {
      severity: 'error',
      what: 'nobody answers at {path}: {problem}.',
      remedy: 'Start the service; where it runs, its log says what is wrong.',
    },
    forbidden: {
      severity: 'error',
      what: '{who} may not connect to {path}: {barrier}.',
      remedy:
        'Have mail processes come with the group of sieve.group (mail_access_groups = coi-mail), and let them pass the directories: 0755, in the service’s unit RuntimeDirectoryMode=0755.',
    },
    'open-to-all': {
      severity: 'warning',
      what: 'everybody on this host may connect to {path}, and ask who uses COI, and whom they have blocked.',
      remedy:
        'Set sieve.mode: "0660" and sieve.group: coi-mail (the group of mail processes), and restart the service.',
    },
    'wrong-answer': {
      severity: 'error',
      what: '{path} does not classify: {problem}.',
      remedy: 'See the log of the service.',
    },
    'long-time': {
      severity: 'warning',
      what: 'sieve_execute_exec_timeout is {seconds} s: a service that hangs holds up chat for twice as long.',
      remedy: 'Set it to 1s, as 95-coi-classify-socket.conf does, and reload Dovecot.',
    },
  },
  run: async (setup, report) => {
    for (const theirs of sievesOf(setup).filter(usesSocket)) await trySocket(theirs, setup, report);
  },
});

async function trySocket(
  { socketDir = '', execTimeoutMsecs }: SieveSettings,
  setup: Setup,
  report: Reporter<keyof typeof classifySocket.faults>,
): Promise<void> {
  if (execTimeoutMsecs > MOST_MSECS) {
    report.fault('long-time', { seconds: execTimeoutMsecs / 1_000 });
  }
  const path = join(socketDir, PROGRAM);
  const ours = setup.config.sieve.socket;
  const found = await stat(path).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error && found.code === 'ENOENT') {
    if (path === ours) report.fault('absent', { path });
    else report.fault('elsewhere', { theirs: path, ours });
    return;
  }
  const tried = await tryAsMailUser(setup, { do: 'connect', path }, report.skip);
  if (tried?.outcome.done === false) {
    if (tried.outcome.code === 'ECONNREFUSED') {
      report.fault('deaf', { path, problem: tried.outcome.message });
    } else report.fault('forbidden', { path, who: tried.who, barrier: tried.barrier });
    return;
  }
  try {
    const { user, message } = chooseSample(setup);
    await askScript(path, user, undefined);
    const answer = await askScript(path, user, message);
    if (isClassification(answer)) {
      if (await isOpenToAll(path)) report.fault('open-to-all', { path });
      else report.note(path);
    } else report.fault('wrong-answer', { path, problem: 'it says something else' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = errorMessage(error);
    if (code === 'ECONNREFUSED') report.fault('deaf', { path, problem });
    else if (code === 'EACCES') report.skip(`${path}: only mail processes may ask it`);
    else report.fault('wrong-answer', { path, problem });
  }
}
