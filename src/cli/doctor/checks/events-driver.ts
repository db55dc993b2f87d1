import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DovecotSettings, PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import { shippedFile } from '../../shipped-file.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { deliveryProtocol } from '../delivery.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

export const eventsDriver = defineCheck({
  name: 'events-driver',
  part: 'events',
  title: 'Dovecot runs coi.lua, and it is the one of this release',
  needs: ['dovecot'],
  faults: {
    'no-driver': {
      severity: 'error',
      what: 'protocol {protocol} has no push_notification driver that runs coi.lua: no events come.',
      remedy:
        'Copy dovecot-conf/{series}/95-coi-events.conf to conf.d, and lua/coi.lua to where it says.',
    },
    'ox-driver': {
      severity: 'warning',
      what: 'Dovecot’s "ox" driver tells of new mail only: chat that is seen stays in INBOX (message-filter "seen"), and removing or making the mailboxes of COI switches nothing on or off.',
      remedy:
        'Where Dovecot has Lua, use 95-coi-events.conf instead; otherwise tell users what is missing.',
    },
    'script-missing': {
      severity: 'error',
      what: '{file} is not there.',
      remedy: 'Copy lua/coi.lua there.',
    },
    'script-unreadable': {
      severity: 'error',
      what: '{who} cannot read {file}: {barrier}.',
      remedy: 'chmod 644 the script; its directories need 755.',
    },
    'script-outdated': {
      severity: 'warning',
      what: '{file} is not the coi.lua of this release.',
      remedy: 'Copy lua/coi.lua there again, unless you changed it on purpose.',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const delivery = deliveryProtocol(settings);
    const delivering = settings.protocols[delivery].pushDrivers;
    const lua = delivering.find(runsCoi);
    if (lua === undefined && (await leadsToUs(setup, delivering))) {
      report.fault('ox-driver');
      return;
    }
    for (const protocol of [delivery, 'imap'] as const) {
      if (!settings.protocols[protocol].pushDrivers.some(runsCoi)) {
        report.fault('no-driver', { protocol, series: settings.series });
      }
    }
    if (lua !== undefined) await checkScript(lua.file ?? '', setup, report);
  },
});

export const runsCoi = ({ driver, file }: PushDriver): boolean =>
  driver === 'lua' && basename(file ?? '') === 'coi.lua';

/** The "ox" driver is there for others, too. */
async function leadsToUs(setup: Setup, drivers: readonly PushDriver[]): Promise<boolean> {
  for (const { driver, url } of drivers) {
    if (driver !== 'ox' || url === undefined || !URL.canParse(url)) continue;
    const answers = await setup.ask(new URL('/healthz', url)).catch(() => undefined);
    if (setup.service !== undefined && answers?.text.includes(setup.service.started)) return true;
  }
  return false;
}

async function checkScript(
  file: string,
  setup: Setup,
  report: Reporter<keyof typeof eventsDriver.faults>,
): Promise<void> {
  const text = await readFile(file).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (!Buffer.isBuffer(text)) {
    if (text.code === 'ENOENT') report.fault('script-missing', { file });
    else report.skip(`${file} cannot be read from here (${text.code ?? ''})`);
    return;
  }
  if (!text.equals(await readFile(shippedFile('lua/coi.lua')))) {
    report.fault('script-outdated', { file });
  }
  const tried = await tryAsMailUser(setup, { do: 'read', path: file }, report.skip);
  if (tried?.outcome.done === false) report.fault('script-unreadable', { file, ...told(tried) });
  else report.note(file);
}

const told = ({ who, barrier }: { who: string; barrier: string }) => ({ who, barrier });
