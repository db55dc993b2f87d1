import { stat } from 'node:fs/promises';
import { folderNames } from '../../../coi/folders.ts';
import type { DovecotSettings, SieveSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { classifySnippet, sievesOf } from '../delivery.ts';
import { compiledState } from '../probes/compiled-state.ts';
import { findCoiScript, type CoiScript } from '../probes/find-coi-script.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

export const sieve = defineCheck({
  name: 'sieve',
  part: 'classify',
  title: 'coi.sieve runs before users’ own scripts, and may ask the service',
  needs: ['dovecot'],
  faults: {
    'no-extprograms': {
      severity: 'error',
      what: 'sieve_plugins lacks sieve_extprograms: coi.sieve cannot ask anybody.',
      remedy: 'Copy dovecot-conf/{series}/{snippet} to conf.d, and reload Dovecot.',
    },
    'not-global': {
      severity: 'error',
      what: 'sieve_global_extensions lacks vnd.dovecot.execute: coi.sieve does not compile.',
      remedy: 'Add it there ({snippet}), and reload Dovecot.',
    },
    'open-to-users': {
      severity: 'warning',
      what: 'sieve_extensions has vnd.dovecot.execute: users’ own scripts may start programs.',
      remedy: 'Take it out there; sieve_global_extensions is what coi.sieve needs.',
    },
    'no-way': {
      severity: 'error',
      what: 'neither sieve_execute_socket_dir nor sieve_execute_bin_dir is set.',
      remedy: 'Copy dovecot-conf/{series}/{snippet} to conf.d, and reload Dovecot.',
    },
    'no-script': {
      severity: 'error',
      what: 'no "before" script of Sieve is coi.sieve: chat stays in INBOX, without $Chat.',
      remedy: 'Copy dovecot-conf/{series}/{snippet} to conf.d, and reload Dovecot.',
    },
    displaced: {
      severity: 'error',
      what: 'the "before" scripts of Sieve are {scripts}, and none is coi.sieve: chat stays in INBOX, without $Chat.',
      remedy:
        'Of two lines "sieve_before" the last counts: name the one in conf.d/{snippet} sieve_before2 (… 3: without a gap), and reload Dovecot.',
    },
    rival: {
      severity: 'error',
      what: '{rival} is run before {file} and files chat itself: the service is not asked then, and chat is where no client of COI looks.',
      remedy:
        'Put coi.sieve first (2.3: in sieve_before, and the other one in sieve_before2; 2.4: with a lower "precedence" in "sieve_script coi" than that one has), reload Dovecot, or take chat out of {rival}.',
    },
    'script-missing': {
      severity: 'error',
      what: '{file} is not there.',
      remedy: 'Copy dovecot-conf/sieve/coi.sieve there, and compile it: sievec {file}',
    },
    'script-unreadable': {
      severity: 'error',
      what: '{who} cannot read {file}: {barrier}.',
      remedy: 'chmod 644 the script and its .svbin; their directories need 755.',
    },
    'script-outdated': {
      severity: 'warning',
      what: '{file} is not the coi.sieve of this release.',
      remedy: 'Copy it there again, unless you changed it on purpose, and compile: sievec {file}',
    },
    'wrong-guess': {
      severity: 'warning',
      what: '{file} guesses {guess}, but the service files chat into {chats}: each message costs a question more.',
      remedy: 'Name {chats} where the script sets "chats", and compile: sievec {file}',
    },
    'not-compiled': {
      severity: 'warning',
      what: '{binary} is not there: the script is compiled anew for every message.',
      remedy: 'sievec {file}',
    },
    'compiled-outdated': {
      severity: 'warning',
      what: '{binary} is older than its script, which is compiled anew for every message.',
      remedy: 'sievec {file}',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const { series } = settings;
    for (const theirs of sievesOf(setup)) {
      checkExtensions(theirs, series, report);
      const script = await findCoiScript(theirs.before);
      const snippet = classifySnippet(theirs);
      const others = theirs.before.map(({ path }) => path).join(', ');
      // In 2.4 each has a section of its own, and none takes the place of another.
      if (script === undefined && series === '2.3' && others !== '') {
        report.fault('displaced', { scripts: others, snippet });
      } else if (script === undefined) report.fault('no-script', { series, snippet });
      else await checkScript(script, setup, report);
    }
  },
});

type Report = Reporter<keyof typeof sieve.faults>;

const EXECUTE = 'vnd.dovecot.execute';

function checkExtensions(theirs: SieveSettings, series: string, report: Report): void {
  const snippet = classifySnippet(theirs);
  if (!theirs.plugins.has('sieve_extprograms')) report.fault('no-extprograms', { series, snippet });
  if (!theirs.globalExtensions.has(EXECUTE) && !theirs.userExtensions.has(EXECUTE)) {
    report.fault('not-global', { snippet });
  }
  if (theirs.userExtensions.has(EXECUTE)) report.fault('open-to-users');
  if (theirs.socketDir === undefined && theirs.binDir === undefined) {
    report.fault('no-way', { series, snippet });
  }
}

async function checkScript(
  { path: file, binDir, state, guess, rival }: CoiScript,
  setup: Setup,
  report: Report,
): Promise<void> {
  const found = await stat(file).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error) {
    if (found.code === 'ENOENT') report.fault('script-missing', { file });
    else report.skip(`${file} cannot be looked at from here (${found.code ?? ''})`);
    return;
  }
  if (rival !== undefined) report.fault('rival', { rival, file });
  if (state === 'other') report.fault('script-outdated', { file });
  const { mailbox_root: root, mailbox_separator: separator } = setup.config.coi;
  const { chats } = folderNames(root, separator);
  if (setup.configurationProblem !== undefined) report.skip(setup.configurationProblem);
  else if (guess !== undefined && guess !== chats)
    report.fault('wrong-guess', { file, guess, chats });
  const { binary, is } = await compiledState(file, binDir);
  if (is !== 'good') report.fault(is, { binary, file });
  const tried = await tryAsMailUser(setup, { do: 'read', path: file }, report.skip);
  if (tried?.outcome.done === false) {
    report.fault('script-unreadable', { file, who: tried.who, barrier: tried.barrier });
  } else report.note(file);
}
