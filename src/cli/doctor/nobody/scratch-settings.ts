import type { DovecotSettings, PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import type { CoiScript } from '../probes/find-coi-script.ts';

/** What Dovecot's programs take as `-o NAME=VALUE`; it comes before all that is configured. */
export type Override = readonly [name: string, value: string];

export interface ScratchPlace {
  /** Of the user database that knows nobody. */
  readonly userdb: string;
  /** Where nobody's mail is kept. */
  readonly mail: string;
}

/**
 * Keeps a delivery to itself: its mail goes to a place that is removed, its log to standard error, and
 * nothing is sent to anybody.
 */
export function scratchSettings(
  { series, server }: DovecotSettings,
  { userdb, mail }: ScratchPlace,
): Override[] {
  const is23 = series === '2.3';
  const location: Override[] = is23
    ? [['mail_location', `maildir:${mail}`]]
    : [
        ['mail_driver', 'maildir'],
        ['mail_path', mail],
        ...OTHER_PATHS.map((name): Override => [name, '']),
      ];
  return [
    ['auth_socket_path', userdb],
    ['log_path', '/dev/stderr'],
    ['info_log_path', ''],
    ['debug_log_path', ''],
    ['stats_writer_socket_path', ''],
    ['mail_chroot', ''],
    ['sendmail_path', '/bin/false'],
    ['submission_host', ''],
    ...location,
    // Other namespaces would bring their own places, and so may that of INBOX.
    ...server.namespaces
      .filter(({ name }) => name !== '')
      .flatMap(({ name, hasInbox }): Override[] => {
        const at = `namespace/${name}`;
        if (!hasInbox) return [[`${at}/disabled`, 'yes']];
        if (is23) return [[`${at}/location`, '']];
        return location.map(([setting, value]): Override => [`${at}/${setting}`, value]);
      }),
  ];
}

/** Where Dovecot 2.4 keeps parts of a mail store. */
const OTHER_PATHS = [
  ...['mail_inbox_path', 'mail_index_path', 'mail_index_private_path', 'mail_cache_path'],
  ...['mail_control_path', 'mail_volatile_path', 'mail_alt_path'],
] as const;

/** Those of the plugins that are configured which have a part in this; others do what is theirs. */
export const onlyPlugins = (
  configured: ReadonlySet<string>,
  wanted: readonly string[],
): Override => ['mail_plugins', wanted.filter((name) => configured.has(name)).join(' ')];

/**
 * One driver of several. coi.lua keeps nothing in the event log: it says then why it was not heard, and does
 * not look for whose mail matters.
 */
export function onlyDriver(
  { series }: DovecotSettings,
  { name, driver, file = '' }: PushDriver,
): Override[] {
  if (series === '2.4') {
    const one: Override = ['push_notification', name];
    if (driver !== 'lua') return [one];
    return [one, [`push_notification/${name}/lua_settings/coi_sidecar_events_dir`, '']];
  }
  // That of "ox" has a password in it, which everybody on this host could see in the command line.
  if (driver !== 'lua') return [];
  return [
    ['plugin/push_notification_driver', `lua:file=${file}`],
    ['plugin/push_notification_driver2', ''],
    ['plugin/coi_sidecar_events_dir', ''],
  ];
}

/** One Sieve script: what others would do with a message to nobody is not ours to try. */
export function onlyScript(
  { series }: DovecotSettings,
  { name, path, binDir }: CoiScript,
): Override[] {
  if (series === '2.4') return [['sieve_script', name]];
  const compiled = binDir === undefined ? '' : `;bindir=${binDir}`;
  return [
    ['plugin/sieve', ''],
    // An empty one would stand for the home directory; this is one that is not there.
    ['plugin/sieve_default', 'file:~/.dovecot.sieve'],
    ['plugin/sieve_before', `file:${path}${compiled}`],
    ...['sieve_before2', 'sieve_after', 'sieve_discard'].map((one): Override => [
      `plugin/${one}`,
      '',
    ]),
  ];
}
