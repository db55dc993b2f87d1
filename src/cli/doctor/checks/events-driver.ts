import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { LUA_SCRIPTS, SHARED_SCRIPT } from '../../lua-scripts.ts';
import { shippedFile } from '../../shipped-file.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { agentsOf } from '../delivery.ts';
import { findOx, runsCoi } from '../push-driver.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

export const eventsDriver = defineCheck({
  name: 'events-driver',
  part: 'events',
  title: 'Dovecot tells the service of events, by the scripts of this release',
  needs: ['configuration', 'dovecot'],
  faults: {
    'no-driver': {
      severity: 'error',
      what: 'protocol {protocol} has no push_notification driver that tells the service: no events come.',
      remedy:
        'Copy dovecot-conf/{series}/{snippet} to conf.d, and what it names, and reload Dovecot.',
    },
    'ox-driver': {
      severity: 'warning',
      what: 'Dovecot’s "ox" driver tells of new mail only: chat that is seen stays in INBOX (message-filter "seen"), removing or making the mailboxes of COI switches nothing on or off, and nothing waits in the event log.',
      remedy:
        'Where Dovecot has Lua, use 95-coi-events.conf and events.driver: lua; otherwise tell users what is missing.',
    },
    'ox-unexpected': {
      severity: 'error',
      what: 'Dovecot uses its "ox" driver, but events.driver is "lua": Dovecot asks for an annotation that the service does not answer, and tells of nobody’s mail.',
      remedy: 'Set events.driver: ox and restart the service, or use 95-coi-events.conf.',
    },
    'lua-unexpected': {
      severity: 'warning',
      what: 'events.driver is "ox", but Dovecot runs coi.lua, which tells more.',
      remedy: 'Set events.driver: lua, and restart the service.',
    },
    'user-from-metadata': {
      severity: 'warning',
      what: 'the "ox" driver has user_from_metadata: users may write into an annotation whose mail came.',
      remedy: 'Take it out (95-coi-events-ox.conf does without), and reload Dovecot.',
    },
    'script-missing': {
      severity: 'error',
      what: '{file} is not there.',
      remedy: 'Copy the scripts of lua/ there, all of them.',
    },
    'script-unreadable': {
      severity: 'error',
      what: '{who} cannot read {file}: {barrier}.',
      remedy: 'chmod 644 the script; its directories need 755.',
    },
    'script-outdated': {
      severity: 'warning',
      what: '{file} is not the one of this release.',
      remedy: 'Copy the scripts of lua/ there again, unless you changed it on purpose.',
    },
    'other-shared-prefix': {
      severity: 'warning',
      what: 'coi_sidecar_shared_prefix is {ours}, but the prefix of the shared namespace is {theirs}: chat that somebody else reads stays in INBOX.',
      remedy:
        'Set it to the same, word for word, where coi-shared.lua is named, and reload Dovecot.',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const wanted = setup.config.events.driver;
    const deliveries = agentsOf(setup).map(({ protocol }) => protocol);
    const pushDrivers = deliveries.flatMap((name) => settings.protocols[name].pushDrivers);
    const lua = pushDrivers.find(runsCoi);
    const ox = await findOx(setup, pushDrivers);
    if (lua === undefined && ox !== undefined) {
      report.fault(wanted === 'ox' ? 'ox-driver' : 'ox-unexpected');
      if (ox.userFromMetadata) report.fault('user-from-metadata');
      return;
    }
    if (lua !== undefined && wanted === 'ox') report.fault('lua-unexpected');
    const snippet = wanted === 'ox' ? '95-coi-events-ox.conf' : '95-coi-events.conf';
    const protocols = wanted === 'ox' ? deliveries : ([...deliveries, 'imap'] as const);
    for (const protocol of protocols) {
      if (!settings.protocols[protocol].pushDrivers.some(runsCoi)) {
        report.fault('no-driver', { protocol, series: settings.series, snippet });
      }
    }
    const scripts = [...pushDrivers, ...settings.protocols.imap.pushDrivers]
      .filter(runsCoi)
      .map(({ file = '' }) => file);
    for (const directory of new Set(scripts.map((file) => dirname(file)))) {
      for (const name of LUA_SCRIPTS) {
        if (name === SHARED_SCRIPT && !scripts.includes(join(directory, name))) continue;
        if (!(await checkScript(join(directory, name), setup, report))) return;
      }
      report.note(directory);
    }
    if (wanted === 'lua') compareSharedPrefix(settings, report);
  },
});

function compareSharedPrefix(
  { server, protocols }: DovecotSettings,
  report: Reporter<keyof typeof eventsDriver.faults>,
): void {
  const shared = server.namespaces.filter(({ type }) => type === 'shared');
  const theirs = shared.map(({ prefix }) => prefix);
  if (theirs.length === 0) return;
  const driver = protocols.imap.pushDrivers.find(
    (one) => runsCoi(one) && basename(one.file ?? '') === SHARED_SCRIPT,
  );
  const ours = driver?.settings.sharedPrefix ?? '';
  if (driver === undefined) {
    report.note(
      `chat that somebody else reads in ${theirs.join(', ')} stays in INBOX: ${SHARED_SCRIPT} would tell of it`,
    );
  } else if (!theirs.includes(ours)) {
    const set = ours === '' ? 'not set' : `"${ours}"`;
    report.fault('other-shared-prefix', { ours: set, theirs: `"${theirs.join('", "')}"` });
  }
}

/** @returns whether it can be used; a fault of one is likely to be that of all */
async function checkScript(
  file: string,
  setup: Setup,
  report: Reporter<keyof typeof eventsDriver.faults>,
): Promise<boolean> {
  const text = await readFile(file).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (!Buffer.isBuffer(text)) {
    if (text.code === 'ENOENT') report.fault('script-missing', { file });
    else report.skip(`${file} cannot be read from here (${text.code ?? ''})`);
    return false;
  }
  const current = text.equals(await readFile(shippedFile(`lua/${basename(file)}`)));
  if (!current) report.fault('script-outdated', { file });
  const tried = await tryAsMailUser(setup, { do: 'read', path: file }, report.skip);
  const readable = tried?.outcome.done !== false;
  if (tried && !readable) report.fault('script-unreadable', { file, ...told(tried) });
  return current && readable;
}

const told = ({ who, barrier }: { who: string; barrier: string }) => ({ who, barrier });
