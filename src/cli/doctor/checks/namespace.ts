import { folderNames } from '../../../coi/folders.ts';
import type {
  DovecotSettings,
  NamespaceSettings,
} from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';

export const namespace = defineCheck({
  name: 'namespace',
  part: 'dovecot',
  title: 'The mailboxes of COI are named as Dovecot’s namespace has it',
  needs: ['configuration', 'dovecot'],
  faults: {
    'other-separator': {
      severity: 'error',
      what: 'coi.mailbox_separator is "{ours}", but levels of mailboxes are separated by "{theirs}" {where}: {chats} cannot be made, or is not what clients look for.',
      remedy:
        'Set coi.mailbox_separator: "{theirs}" and restart, and "chats" in coi.sieve likewise.',
    },
    'other-trash': {
      severity: 'warning',
      what: 'the trash is {trash}, which coi.trash_mailboxes ({named}) does not name, and doveadm_allowed_commands keeps the service from asking Dovecot: whoever throws Chats away keeps COI enabled.',
      remedy:
        'Name it, coi.trash_mailboxes: ["{trash}"], and restart the service; or add "mailbox metadata get" to doveadm_allowed_commands, and reload Dovecot.',
    },
    'no-namespace': {
      severity: 'error',
      what: 'no namespace of Dovecot’s takes {chats}: their prefixes are {prefixes}.',
      remedy: 'Set coi.mailbox_root: "{root}" and restart, and "chats" in coi.sieve likewise.',
    },
  },
  run: ({ dovecot, config }, report) => {
    const { server, series } = dovecot.settings as DovecotSettings;
    const { mailbox_root: root, mailbox_separator: ours } = config.coi;
    const { chats } = folderNames(root, ours);
    const place = findNamespace(server.namespaces, chats);
    if (place === undefined) {
      const prefixes = server.namespaces.map(({ prefix }) => `"${prefix}"`).join(', ');
      const inbox = server.namespaces.find(({ hasInbox }) => hasInbox)?.prefix ?? '';
      report.fault('no-namespace', { chats, prefixes, root: `${inbox}${root}` });
      return;
    }
    const named = config.coi.trash_mailboxes;
    const trash = server.namespaces.flatMap((one) => (one.hasInbox ? one.trash : []));
    const { allowedCommands } = server.doveadm;
    const canAsk = allowedCommands.length === 0 || allowedCommands.includes('mailbox metadata get');
    if (!canAsk && trash.length > 0 && !trash.some((name) => named.includes(name))) {
      report.fault('other-trash', { trash: trash.join('", "'), named: named.join(', ') });
    }
    const where = place.name === '' ? 'in its only namespace' : `in namespace ${place.name}`;
    const theirs = place.separator;
    if (theirs === undefined) {
      const setting = series === '2.3' ? 'mail_location' : 'mail_driver';
      report.skip(
        `what separates levels of mailboxes: neither separator ${where} nor ${setting} says it`,
      );
    } else if (theirs !== ours) report.fault('other-separator', { ours, theirs, where, chats });
    else report.note(chats);
  },
});

/**
 * The one with the longest prefix that fits.
 *
 * @see Dovecot src/lib-storage/mail-namespace.c, mail_namespace_find_mask
 */
const findNamespace = (
  all: readonly NamespaceSettings[],
  mailbox: string,
): NamespaceSettings | undefined =>
  all
    .filter(({ prefix }) => mailbox.startsWith(prefix))
    .sort((one, other) => other.prefix.length - one.prefix.length)[0];
