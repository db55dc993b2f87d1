import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import { startDoctorRig, type DoctorRig, type Examination } from '../../../support/doctor-rig.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Break, Seed } from '../seeded-faults.ts';
import { withMode } from './change-for-a-while.ts';

const MASTER = [
  'local      unix  -       n       n       -       -       local',
  'virtual    unix  -       n       n       -       -       virtual',
  'lmtp       unix  -       -       y       -       -       lmtp',
  'dovecot    unix  -       n       n       -       -       pipe flags=DRhu user=mail:mail argv=/usr/lib/dovecot/dovecot-lda -f ${sender} -d ${recipient}',
];

const USUAL = {
  virtual_mailbox_domains: '',
  virtual_transport: 'virtual',
  local_transport: 'local:mail.example.org',
  mailbox_transport: '',
  mailbox_command: '',
  home_mailbox: '',
};

/**
 * A postconf that says what that of Postfix 3.7 says with these settings. A stand-in: an MTA of the system
 * would take the place of this machine's own.
 */
export const postconf = (settings: Partial<typeof USUAL>): string => {
  const lines = Object.entries({ ...USUAL, ...settings }).map(
    ([name, value]) => `${name} = ${value}`,
  );
  return `case "$1" in
-M) cat <<'END'
${MASTER.join('\n')}
END
;;
*) cat <<'END'
${lines.join('\n')}
END
esac`;
};

/** An exim4 with one router and one transport, in the words of Exim 4.96. */
export const exim = (transport: readonly string[]): string => `case "$2" in
routers) printf '\nlocal_user router:\ndriver = accept\ntransport = local_delivery\n' ;;
*) cat <<'END'

remote_smtp transport:
driver = smtp
protocol = smtp

local_delivery transport:
no_body_only
${transport.join('\n')}
END
esac`;

const withPostfix = async (
  rig: DoctorRig,
  settings: Partial<typeof USUAL>,
): Promise<Examination> => ({ path: await rig.shadow({ postconf: postconf(settings) }) });

export const MAILBOX_COMMAND = {
  mailbox_command: '/usr/lib/dovecot/dovecot-lda -f "$SENDER" -a "$RECIPIENT"',
};

const withoutLmtp = ({ stage }: DoctorRig): string =>
  stage.dovecot.version === '2.3' ? 'protocols = imap' : 'protocols {\n  lmtp = no\n}';

/** What the stage keeps for root, and systems do not: where every program logs to. */
export const OWN_LOG = 'log_path = /dev/stderr\nstats_writer_socket_path =';

/** LMTP takes the groups of mail_access_groups; a dovecot-lda that the recipient starts has to do without. */
const withAccessGroup =
  (only: readonly string[], dovecot = OWN_LOG): Break =>
  async ({ stage }, examine) => {
    const { version } = stage.dovecot;
    const rig = await startDoctorRig({ version, extraConfig: 'mail_access_groups = daemon' });
    try {
      const { sockets, layout, eventsDir } = rig.stage.dovecot;
      await chmod(sockets.classify, 0o660);
      const theirs = [sockets.classify, eventsDir, join(layout.coiDir, 'token.conf')];
      await Promise.all(theirs.map((path) => chown(path, 0, 1)));
      const postfix = await withPostfix(rig, MAILBOX_COMMAND);
      return await examine({ ...postfix, dovecot, only, users: [rig.stage.freshUser()] }, rig);
    } finally {
      await rig.close();
    }
  };

export const mtaFaults: readonly Seed[] = [
  {
    fault: 'mta.bypassed',
    cause: 'Postfix writes mailboxes itself',
    says: /^Postfix does not hand mail to Dovecot \(home_mailbox = Maildir\/\)/,
    break: async (rig, examine) => examine(await withPostfix(rig, { home_mailbox: 'Maildir/' })),
  },
  {
    fault: 'mta.bypassed',
    cause: 'Postfix writes those of virtual users itself',
    says: /\(virtual_transport = virtual\)/,
    break: async (rig, examine) =>
      examine(
        await withPostfix(rig, { virtual_mailbox_domains: 'example.org', ...MAILBOX_COMMAND }),
      ),
    along: [],
  },
  {
    fault: 'mta.bypassed',
    cause: 'Exim writes mailboxes itself',
    says: /^Exim .* \(transport local_delivery\)/,
    break: async (rig, examine) => {
      const exim4 = exim(['driver = appendfile', 'directory = ', 'file = /var/mail/$local_part']);
      return examine({ path: await rig.shadow({ exim4 }) });
    },
  },
  {
    fault: 'mta.not-served',
    says: /^Postfix delivers by LMTP \(mailbox_transport = lmtp:unix:private\/dovecot-lmtp\)/,
    break: async (rig, examine) =>
      examine({
        ...(await withPostfix(rig, { mailbox_transport: 'lmtp:unix:private/dovecot-lmtp' })),
        dovecot: withoutLmtp(rig),
      }),
  },
  {
    fault: 'plugins.missing',
    cause: 'no sieve in lda, which the MTA uses although LMTP is served',
    says: /protocol lda lacks sieve/,
    break: async (rig, examine) =>
      examine({
        ...(await withPostfix(rig, MAILBOX_COMMAND)),
        dovecot:
          rig.stage.dovecot.version === '2.3'
            ? 'protocol lda {\n  mail_plugins = notify push_notification mail_lua push_notification_lua\n}'
            : 'protocol lda {\n  mail_plugins {\n    sieve = no\n  }\n}',
      }),
  },
  {
    fault: 'lda.kept-out',
    cause: 'the MTA starts it as the recipient, although LMTP is served',
    says: /\(uid 8, gid 8\) may not connect/,
    skip: notRoot,
    break: (rig, examine) =>
      withMode(0o600)(rig.stage.dovecot.sockets.classify, async () =>
        examine(await withPostfix(rig, MAILBOX_COMMAND)),
      ),
  },
  {
    fault: 'names.unknown-names',
    cause: 'the MTA names users of the system with their domain',
    versions: ['2.3'],
    says: /^Postfix hands LMTP mail for bob@example\.org \(mailbox_transport = lmtp:\S+\)/,
    break: async (rig, examine) => {
      const doveconf = `/usr/bin/doveconf "$@" | sed 's/driver = static/driver = passwd/'`;
      const programs = { doveconf, postconf: postconf({ mailbox_transport: 'lmtp:unix:x' }) };
      return examine({ path: await rig.shadow(programs) });
    },
  },
  {
    fault: 'dovecot.unreadable',
    cause: 'which tells nothing of the groups of mail processes',
    skip: notRoot,
    break: withAccessGroup(['dovecot', 'event-log'], 'no_such_setting = yes'),
  },
  {
    fault: 'classify-delivery.script-fails',
    cause: 'of a dovecot-lda that the MTA starts as the recipient, while LMTP is well',
    says: /^by dovecot-lda, Sieve gets nowhere .*Permission denied/,
    skip: notRoot,
    break: withAccessGroup(['classify-delivery']),
  },
  {
    fault: 'trip.not-filed',
    cause: 'by dovecot-lda, which the MTA starts as the recipient; by LMTP all is well',
    says: /that came by dovecot-lda is in INBOX/,
    skip: notRoot,
    break: withAccessGroup(['trip']),
  },
];
