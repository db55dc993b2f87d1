import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDoctorRig, type DoctorRig } from '../../../support/doctor-rig.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Break, Seed } from '../seeded-faults.ts';
import { withMode } from './change-for-a-while.ts';
import { setting } from './event-drivers.ts';

/** A doveconf that says that it belongs to another release. */
const ofVersion =
  (version: string): Break =>
  async (rig, examine) =>
    examine({
      path: await rig.shadow({
        doveconf: `/usr/bin/doveconf "$@" | sed '1s/^# [0-9.]*/# ${version}/'`,
      }),
    });

/** Takes the domain off users' names for one protocol. */
const userNames = ({ stage }: DoctorRig, protocol: string): string =>
  `protocol ${protocol} {
  auth_username_format = ${stage.dovecot.version === '2.3' ? '%Ln' : '%{user | username | lower}'}
}`;

export const dovecotFaults: readonly Seed[] = [
  {
    fault: 'dovecot.unreadable',
    says: /doctor-\d+\.conf/,
    break: () => ({ dovecot: 'no_such_setting = yes' }),
  },
  {
    fault: 'dovecot.too-old',
    versions: ['2.3'],
    says: /2\.3\.4 is older/,
    break: ofVersion('2.3.4'),
  },
  { fault: 'dovecot.too-new', versions: ['2.3'], break: ofVersion('2.5.0') },
  {
    fault: 'namespace.other-separator',
    says: /is "\/", but .* separated by "\." in namespace inbox: COI\/Chats/,
    break: () => ({ dovecot: 'namespace inbox {\n  separator = .\n}' }),
  },
  {
    fault: 'namespace.other-separator',
    cause: 'Maildir’s, as none is set',
    says: /separated by "\." in namespace inbox/,
    break: () => ({ dovecot: 'namespace inbox {\n  separator =\n}' }),
  },
  {
    fault: 'namespace.other-separator',
    cause: 'the layout’s, which is not that of Maildir',
    says: /is "\.", but .* separated by "\/"/,
    break: ({ stage }) => ({
      config: { coi: { mailbox_separator: '.' } },
      dovecot: `${
        stage.dovecot.version === '2.3'
          ? 'mail_location = maildir:~/Mail:LAYOUT=fs'
          : 'mailbox_list_layout = fs'
      }\nnamespace inbox {\n  separator =\n}`,
    }),
  },
  {
    fault: 'namespace.other-trash',
    says: /^the trash is Deleted Items, which coi\.trash_mailboxes \(Trash\)/,
    break: ({ stage }) => ({
      dovecot: `namespace inbox {
  mailbox Trash {
    special_use =
  }
  mailbox "Deleted Items" {
    special_use = \\Trash
  }
}
${
  stage.dovecot.version === '2.3'
    ? 'doveadm_allowed_commands = fetch'
    : 'doveadm_allowed_commands {\n  fetch = yes\n}'
}`,
    }),
  },
  {
    fault: 'names.other-names',
    cause: 'Debian 13’s 20-lmtp.conf',
    says: /^LMTP takes the domain off/,
    break: (rig) => ({ dovecot: userNames(rig, 'lmtp'), users: ['bob@example.org'] }),
  },
  {
    fault: 'names.other-names-at-login',
    says: /^IMAP takes the domain off/,
    break: (rig) => ({ dovecot: userNames(rig, 'imap') }),
  },
  {
    fault: 'secrets.key-open',
    says: /api-key\.conf \(0644\), with doveadm_api_key/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o644)(join(stage.dovecot.layout.coiDir, 'api-key.conf'), examine),
  },
  {
    fault: 'secrets.token-open',
    says: /token\.conf \(0644\), with coi_sidecar_token/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o644)(join(stage.dovecot.layout.coiDir, 'token.conf'), examine),
  },
  {
    fault: 'namespace.no-namespace',
    says: /takes COI\/Chats: their prefixes are "INBOX\/"/,
    break: () => ({ dovecot: 'namespace inbox {\n  prefix = INBOX/\n}' }),
  },
  {
    fault: 'plugins.missing',
    cause: 'no push notifications in imap',
    says: /protocol imap lacks .*push_notification_lua/,
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'protocol imap {\n  mail_plugins = notify push_notification\n}'
          : 'protocol imap {\n  mail_plugins {\n    push_notification_lua = no\n  }\n}',
    }),
  },
  {
    fault: 'plugins.missing',
    cause: 'no sieve in lmtp',
    says: /protocol lmtp lacks sieve/,
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'protocol lmtp {\n  mail_plugins = notify push_notification mail_lua push_notification_lua\n}'
          : 'protocol lmtp {\n  mail_plugins {\n    sieve = no\n  }\n}',
    }),
  },
  {
    fault: 'plugins.missing',
    cause: 'no sieve in lda, where there is no lmtp',
    says: /protocol lda lacks sieve/,
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'protocols = imap\nprotocol lda {\n  mail_plugins = notify push_notification mail_lua push_notification_lua\n}'
          : 'protocols {\n  lmtp = no\n}\nprotocol lda {\n  mail_plugins {\n    sieve = no\n  }\n}',
    }),
  },
  {
    fault: 'plugins.missing-for-lda',
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'protocol lda {\n  mail_plugins = notify push_notification mail_lua push_notification_lua\n}'
          : 'protocol lda {\n  mail_plugins {\n    sieve = no\n  }\n}',
    }),
  },
  {
    fault: 'plugins.own-list',
    says: /gives users \(userdb (static|sql)\) mail_plugins .*notify, .*sieve is not among/,
    break: ({ stage }) => ({
      dovecot:
        stage.dovecot.version === '2.3'
          ? 'userdb {\n  driver = sql\n  args = /nowhere\n  default_fields = mail_plugins=quota\n}'
          : 'userdb static {\n  fields {\n    mail_plugins = quota\n  }\n}',
    }),
  },
  {
    fault: 'plugins.own-list',
    cause: 'of one user',
    says: /gives bob@example\.org mail_plugins/,
    break: async ({ stage }, examine) => {
      const { version } = stage.dovecot;
      const rig = await startDoctorRig({ version, users: ['bob@example.org'] });
      const file = join(rig.stage.dovecot.layout.dir, 'users');
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(/$/m, 'userdb_mail_plugins=quota'));
      return examine({ users: ['bob@example.org'] }, rig).finally(() => rig.close());
    },
  },
  {
    fault: 'plugins.not-installed',
    // One for each plugin: the directory is empty.
    along: Array.from({ length: 4 }, () => 'plugins.not-installed'),
    versions: ['2.3'],
    says: /modules has no plugin notify/,
    break: async ({ dir }, examine) => {
      await mkdir(join(dir, 'modules'));
      return examine({ dovecot: `mail_plugin_dir = ${join(dir, 'modules')}` });
    },
  },
  {
    fault: 'lda.unreadable',
    says: /Error in configuration file .* include file \S+95-coi-doveadm-api\.conf: Permission denied/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o600)(join(stage.dovecot.layout.dir, '95-coi-doveadm-api.conf'), examine),
  },
  {
    fault: 'lda.unreadable',
    cause: 'a file that a setting is read from',
    versions: ['2.3'],
    says: /Can't open file \S+token: Permission denied/,
    skip: notRoot,
    break: async (rig, examine) => {
      const file = join(rig.dir, 'closed-token');
      await writeFile(file, 'a-token\n', { mode: 0o600 });
      return examine(setting(rig, 'coi_sidecar_token', `<${file}`));
    },
  },
  {
    fault: 'lda.kept-out',
    says: /coi-classify: chat stays in INBOX/,
    skip: notRoot,
    break: ({ stage }, examine) =>
      withMode(0o600)(stage.dovecot.sockets.classify, () =>
        examine({
          dovecot:
            stage.dovecot.version === '2.3' ? 'protocols = imap' : 'protocols {\n  lmtp = no\n}',
        }),
      ),
  },
];
