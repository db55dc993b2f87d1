import { readdir } from 'node:fs/promises';
import type { DovecotSettings, ProtocolName } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { agentsOf, classifySnippet } from '../delivery.ts';
import type { Setup } from '../setup/setup.ts';

export const LUA_PLUGINS = ['notify', 'push_notification', 'mail_lua', 'push_notification_lua'];
export const OX_PLUGINS = ['notify', 'push_notification'];

export const plugins = defineCheck({
  name: 'plugins',
  part: 'dovecot',
  title: 'The plugins are loaded wherever they are needed',
  needs: ['dovecot'],
  faults: {
    missing: {
      severity: 'error',
      what: 'protocol {protocol} lacks {plugins} in mail_plugins: {consequence}.',
      remedy: 'Copy {snippet} to conf.d, or add them there, and reload Dovecot.',
    },
    'missing-for-lda': {
      severity: 'warning',
      what: 'protocol lda lacks {plugins} in mail_plugins: mail that comes by dovecot-lda is not seen.',
      remedy: 'Copy {snippet} to conf.d, or add them there, if anything uses dovecot-lda.',
    },
    'own-list': {
      severity: 'error',
      what: 'the userdb gives {who} mail_plugins of their own, in place of those of the protocol, and {plugins} is not among them: no event, or no Sieve, for them.',
      remedy: 'Take mail_plugins out of the userdb, or add what is missing there.',
    },
    'not-installed': {
      severity: 'error',
      what: '{dir} has no plugin {plugin}: Dovecot lets nobody in who needs it.',
      remedy: 'Install it (Debian: dovecot-core, dovecot-sieve; its Lua is in dovecot-auth-lua).',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const agents = agentsOf(setup).map(({ protocol }) => protocol);
    const wanted = new Set<string>();
    for (const { protocol, names, snippet, consequence } of demands(settings, agents)) {
      for (const name of names) wanted.add(name);
      const loaded = settings.protocols[protocol].plugins;
      const missing = names.filter((name) => !loaded.has(name));
      if (missing.length === 0) continue;
      const plugins = missing.join(', ');
      const file = `dovecot-conf/${settings.series}/${snippet}`;
      if (protocol === 'lda' && !agents.includes('lda')) {
        report.fault('missing-for-lda', { plugins, snippet: file });
      } else report.fault('missing', { protocol, plugins, consequence, snippet: file });
    }
    for (const [who, own] of ownLists(setup)) {
      const loaded = own.split(/[\s,]+/);
      const missing = [...wanted].filter((name) => !loaded.includes(name));
      if (missing.length > 0) report.fault('own-list', { who, plugins: missing.join(', ') });
    }
    const dir = settings.server.pluginDir;
    const files = await readdir(dir).catch(() => undefined);
    if (files === undefined) {
      report.skip(`${dir} is not on this host: whether plugins are installed was not looked at`);
      return;
    }
    for (const plugin of wanted) {
      const pattern = new RegExp(`^lib\\d*_?${plugin}_plugin\\.so$`);
      if (!files.some((file) => pattern.test(file))) report.fault('not-installed', { dir, plugin });
    }
    report.note([...wanted].join(', '));
  },
});

/** mail_plugins of a userdb: whose, and which. They take the place of all others. */
function ownLists({ mailUser, dovecot }: Setup): [who: string, plugins: string][] {
  const { name, fields } = mailUser;
  const ofUser = fields['mail_plugins'];
  const all: [string, string][] = ofUser === undefined ? [] : [[name ?? 'a user', ofUser]];
  for (const userdb of dovecot.settings?.server.userdbs ?? []) {
    const ofAll = userdb.fields.get('mail_plugins');
    if (ofAll !== undefined) all.push([`users (userdb ${userdb.driver})`, ofAll]);
  }
  return all;
}

interface Demand {
  protocol: ProtocolName;
  names: string[];
  snippet: string;
  consequence: string;
}

/** dovecot-lda is looked at where nothing is known to use it, too: another program may. */
function demands({ protocols }: DovecotSettings, agents: readonly ProtocolName[]): Demand[] {
  const deliveries = [...new Set<ProtocolName>([...agents, 'lda'])];
  const all: Demand[] = [];
  for (const protocol of ['imap', ...deliveries] as const) {
    const drivers = protocols[protocol].pushDrivers.map(({ driver }) => driver);
    const consequence =
      protocol === 'imap' ? '"seen" has no effect' : 'no event comes of new mail, and no push';
    if (drivers.includes('lua')) {
      all.push({ protocol, names: LUA_PLUGINS, snippet: '95-coi-events.conf', consequence });
    } else if (drivers.includes('ox') && protocol !== 'imap') {
      all.push({ protocol, names: OX_PLUGINS, snippet: '95-coi-events-ox.conf', consequence });
    }
  }
  for (const protocol of deliveries) {
    const snippet = classifySnippet(protocols[protocol].sieve);
    const consequence = 'no Sieve script runs, and chat stays in INBOX';
    all.push({ protocol, names: ['sieve'], snippet, consequence });
  }
  return all;
}
