import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { faultsOf, startDoctorRig, type DoctorRig } from '../../../support/doctor-rig.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import { eventually } from '../../../support/start-stage.ts';
import type { Break, Seed } from '../seeded-faults.ts';

const is23 = ({ stage }: DoctorRig): boolean => stage.dovecot.version === '2.3';

/** Connections that are in use again and again keep an old process; idle ones are closed by then. */
const IDLE_MSECS = 5_000;

/**
 * Makes trips while Dovecot itself is configured otherwise. Its processes are replaced one by one, so
 * some trips may still go well.
 */
const withDovecot =
  (text: (rig: DoctorRig) => string, password?: string): Break =>
  async (rig, examine) => {
    const { dovecot } = rig.stage;
    await dovecot.reconfigure(text(rig));
    return eventually(async () => {
      const report = await examine({ users: [rig.stage.freshUser()], password });
      if (faultsOf(report).length > 0) return report;
      await sleep(IDLE_MSECS);
      throw new Error('the trip went well');
    }, 60_000).finally(() => dovecot.reconfigure(''));
  };

/** A "before" script in the place of coi.sieve. */
const withScript =
  (text: string): Break =>
  async (rig, examine) => {
    const path = join(rig.stage.dovecot.layout.coiDir, 'other.sieve');
    await writeFile(path, text);
    await rig.stage.dovecot.runProgram('sievec', [path]);
    return withDovecot(() =>
      is23(rig)
        ? `plugin {\n  sieve_before = file:${path}\n}`
        : `sieve_script coi {\n  path = ${path}\n}`,
    )(rig, examine);
  };

/** What the service needs, and what doctor needs to look on; not what it needs to tidy up. */
const COMMANDS = [
  ...['fetch', 'flags add', 'mailbox create', 'mailbox list', 'mailbox rename', 'mailbox status'],
  ...['move', 'mailbox metadata get', 'mailbox metadata set', 'mailbox metadata unset', 'user'],
];

export const tripFaults: readonly Seed[] = [
  {
    fault: 'trip.no-user',
    break: () => ({ users: ['no such user!'] }),
  },
  {
    fault: 'trip.login-refused',
    says: /Authentication failed/,
    break: ({ stage }) => ({ users: [stage.freshUser()], password: 'wrong' }),
  },
  {
    fault: 'trip.login-refused',
    cause: 'nobody is there',
    says: /port 1\) .*ECONNREFUSED/,
    break: ({ stage }) => ({
      users: [stage.freshUser()],
      password: 'secret',
      imap: { host: '127.0.0.1', port: 1 },
    }),
  },
  {
    fault: 'trip.capability-missing',
    says: /no COI and WEBPUSH/,
    break: withDovecot(
      (rig) =>
        is23(rig)
          ? 'protocol imap {\n  imap_capability =\n}'
          : 'service imap {\n  imap_capability {\n    COI = no\n    WEBPUSH = no\n  }\n}',
      'secret',
    ),
  },
  {
    fault: 'trip.setting-refused',
    says: /coi\/config\/enabled/,
    break: withDovecot((rig) =>
      is23(rig)
        ? 'mail_attribute_dict = proxy:/nowhere/dict.sock:coi'
        : 'mail_attribute {\n  dict proxy {\n    socket_path = /nowhere/dict.sock\n  }\n}',
    ),
  },
  {
    fault: 'trip.no-folders',
    versions: ['2.3'],
    break: withDovecot(() => 'mail_attribute_dict = file:%h/attributes'),
  },
  {
    fault: 'trip.no-validation',
    versions: ['2.3'],
    // Needs a service of its own: one whose pushes all end at a proxy that is not there.
    break: async () => {
      const webpush = { proxy_url: 'http://127.0.0.1:1', allow_private_endpoints: ['127.0.0.1'] };
      const rig = await startDoctorRig({ version: '2.3', config: { webpush } });
      try {
        return await rig.examine({
          only: ['trip'],
          users: [rig.stage.freshUser()],
          config: { http: { admin_token: '' } },
        });
      } finally {
        await rig.close();
      }
    },
  },
  {
    fault: 'trip.not-validated',
    versions: ['2.3'],
    // Needs a Dovecot that keeps the annotations itself and a service that may not write them.
    break: async (_rig, examine) => {
      const allowed = COMMANDS.filter((name) => !/metadata (set|unset)/.test(name));
      const all = [...allowed, 'expunge', 'mailbox delete'];
      const rig = await startDoctorRig({
        version: '2.3',
        metadata: 'doveadm',
        extraConfig: `doveadm_allowed_commands = ${all.join(',')},mailbox metadata list`,
      });
      const examination = { users: [rig.stage.freshUser()], password: 'secret' };
      return examine(examination, rig).finally(() => rig.close());
    },
  },
  {
    fault: 'trip.not-delivered',
    says: /^LMTP .* does not take mail/,
    break: withDovecot(() => 'protocol lmtp {\n  first_valid_uid = 5000\n}'),
  },
  {
    fault: 'trip.not-delivered',
    cause: 'nobody is there',
    says: /^LMTP \(127\.0\.0\.1 port 1\) .*ECONNREFUSED/,
    break: ({ stage }) => ({
      users: [stage.freshUser()],
      lmtp: { host: '127.0.0.1', port: 1 },
    }),
  },
  {
    fault: 'trip.not-delivered',
    cause: 'where mail comes by dovecot-lda',
    says: /^dovecot-lda does not take mail/,
    skip: notRoot,
    // dovecot-lda reads the configuration itself.
    break: ({ stage }) => ({
      users: [stage.freshUser()],
      dovecot: 'protocols = imap\nprotocol lda {\n  first_valid_uid = 5000\n}',
    }),
  },
  {
    fault: 'trip.not-filed',
    says: /came by LMTP \(.*\) is in INBOX, not in COI\/Chats/,
    break: withScript('keep;\n'),
  },
  {
    fault: 'trip.filed-elsewhere',
    says: /is in Chat, not in COI\/Chats/,
    break: withScript('require ["fileinto","mailbox"];\nfileinto :create "Chat";\nstop;\n'),
  },
  {
    fault: 'trip.vanished',
    versions: ['2.3'],
    says: /is in no mailbox of user/,
    break: withScript('discard;\n'),
  },
  {
    fault: 'trip.no-keyword',
    break: withScript('require "fileinto";\nfileinto "COI/Chats";\nstop;\n'),
  },
  {
    fault: 'trip.no-push',
    break: withDovecot((rig) =>
      is23(rig)
        ? 'plugin {\n  push_notification_driver = dlog\n}'
        : 'push_notification coi {\n  driver = dlog\n}',
    ),
  },
  {
    fault: 'trip.left-behind',
    versions: ['2.3'],
    says: /the message .*the folders of COI/,
    break: withDovecot(() => `doveadm_allowed_commands = ${COMMANDS.join(',')}`),
  },
];
