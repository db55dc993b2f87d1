import { basename, isAbsolute, join } from 'node:path';
import {
  listsUsers,
  type AttributeDict,
  type BeforeScript,
  type EventExporter,
  type InetListener,
  type ProtocolSettings,
  type PushDriver,
  type ServerSettings,
  type UserDatabase,
} from './dovecot-settings.ts';
import { inetListener, isDisabled } from './inet-listener.ts';
import { readNamespaces23 } from './read-namespaces.ts';
import { sectionsOf, type DoveconfSection } from './parse-doveconf.ts';
import { metadataOffFor } from './metadata-off-for.ts';
import { readDuration } from './read-duration.ts';

/** What `doveconf -a` of Dovecot 2.3 says of the server. */
export function readServer23(root: DoveconfSection): ServerSettings {
  const value = (name: string): string => root.values.get(name) ?? '';
  const baseDir = value('base_dir') || '/run/dovecot';
  const doveadm = sectionsOf(root, 'service', 'doveadm')[0];
  const lmtp = sectionsOf(root, 'service', 'lmtp')[0];
  return {
    baseDir,
    libexecDir: value('libexec_dir') || '/usr/lib/dovecot',
    pluginDir: value('mail_plugin_dir') || '/usr/lib/dovecot/modules',
    served: words(value('protocols')),
    mailUid: value('mail_uid'),
    mailGid: value('mail_gid'),
    accessGroups: value('mail_access_groups')
      .split(/[\s,]+/)
      .filter((group) => group !== ''),
    userdbs: sectionsOf(root, 'userdb').flatMap(userDatabase),
    doveadm: {
      http: inetListeners(doveadm, value('listen')).filter(({ name }) => name === 'http'),
      // What a listener speaks is up to its name.
      httpSockets: unixSockets(doveadm, baseDir).filter((path) => basename(path) === 'http'),
      processPerRequest: (doveadm?.values.get('service_count') ?? '1') === '1',
      allowedCommands: value('doveadm_allowed_commands')
        .split(',')
        .filter((name) => name !== ''),
    },
    imap: inetListeners(sectionsOf(root, 'service', 'imap-login')[0], value('listen')),
    lmtp: [
      ...inetListeners(lmtp, value('listen')),
      ...unixSockets(lmtp, baseDir).map((path) => ({ path })),
    ],
    exporters: sectionsOf(root, 'event_exporter')
      .filter(({ values }) => values.get('transport') === 'http-post')
      .map(({ name, values }): EventExporter => ({
        name,
        url: values.get('transport_args') ?? '',
        filters: sectionsOf(root, 'metric')
          .filter((metric) => metric.values.get('exporter') === name)
          .map((metric) => metric.values.get('filter') ?? ''),
      })),
    namespaces: readNamespaces23(root),
    metadataOffFor: metadataOffFor(root),
  };
}

/** What comes with a login ("prefetch") is not known here, and need not be asked for. */
function userDatabase({ values }: DoveconfSection): UserDatabase[] {
  const driver = values.get('driver') ?? '';
  if (driver === 'prefetch') return [];
  const given = ['default_fields', 'override_fields', ...(driver === 'static' ? ['args'] : [])];
  const words = given.flatMap((name) => (values.get(name) ?? '').split(/\s+/));
  const fields = new Map(
    words.flatMap((word) => {
      const [, name, value] = /^([^=]+)=(.+)$/.exec(word) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
  return [{ driver, fields, lists: listsUsers(driver, values.get('args') ?? '') }];
}

/** What `doveconf -a -f protocol=…` of Dovecot 2.3 says. */
export function readProtocol23(root: DoveconfSection): ProtocolSettings {
  const baseDir = root.values.get('base_dir') ?? '/run/dovecot';
  const plugin = sectionsOf(root, 'plugin')[0]?.values ?? new Map<string, string>();
  // An empty setting is none.
  const socketDir = plugin.get('sieve_execute_socket_dir') || undefined;
  return {
    plugins: words(root.values.get('mail_plugins')),
    pushDrivers: series(plugin, 'push_notification_driver').map((text) => driver(text, plugin)),
    sieve: {
      plugins: words(plugin.get('sieve_plugins')),
      globalExtensions: words(plugin.get('sieve_global_extensions')),
      userExtensions: words(plugin.get('sieve_extensions')),
      before: series(plugin, 'sieve_before').map(beforeScript),
      socketDir: socketDir === undefined ? undefined : join(baseDir, socketDir),
      binDir: plugin.get('sieve_execute_bin_dir') || undefined,
      execTimeoutMsecs: readDuration(plugin.get('sieve_execute_exec_timeout'), 10_000),
    },
    usernameFormat: root.values.get('auth_username_format') ?? '',
    imapMetadata: root.values.get('imap_metadata') === 'yes',
    attributeDicts: attributeDicts(root.values.get('mail_attribute_dict') ?? ''),
    capability: words(root.values.get('imap_capability')),
  };
}

/** `+COI WEBPUSH` and ` notify sieve` alike: what is added, without signs. */
const words = (text: string | undefined): Set<string> =>
  new Set((text ?? '').split(/\s+/).flatMap((word) => (/^[+]?(.+)$/.exec(word) ?? []).slice(1)));

/** `name`, `name2`, `name3` … up to the first that is not set (mail_user_plugin_getenv). */
function series(plugin: ReadonlyMap<string, string>, name: string): string[] {
  const found: string[] = [];
  for (let number = 1; ; number++) {
    const value = plugin.get(number === 1 ? name : `${name}${number}`);
    if (value === undefined || value === '') return found;
    found.push(value);
  }
}

/** `lua:file=/etc/dovecot/coi/coi.lua`, `ox:url=http://… user_from_metadata` */
function driver(text: string, plugin: ReadonlyMap<string, string>): PushDriver {
  const [name = '', ...rest] = text.split(':');
  const args = new Map(
    rest
      .join(':')
      .split(' ')
      .map((arg) => [arg.split('=')[0] ?? '', arg.split('=').slice(1).join('=')]),
  );
  return {
    name: '',
    driver: name,
    file: args.get('file'),
    url: args.get('url'),
    userFromMetadata: args.has('user_from_metadata'),
    settings: {
      url: plugin.get('coi_sidecar_url'),
      token: plugin.get('coi_sidecar_token'),
      eventsDir: plugin.get('coi_sidecar_events_dir'),
      sharedPrefix: plugin.get('coi_sidecar_shared_prefix'),
    },
  };
}

/** `file:/etc/dovecot/coi/coi.sieve;bindir=/var/lib/x` */
function beforeScript(text: string): BeforeScript {
  const [location = '', ...options] = text.split(';');
  const path = location.replace(/^file:/, '');
  const binDir = options.find((option) => option.startsWith('bindir='))?.slice('bindir='.length);
  return { name: '', path, binDir };
}

/** `proxy:idle_msecs=5000:/run/coi-sidecar/dict.sock:coi`, `file:%h/dovecot-attributes` */
function attributeDicts(text: string): AttributeDict[] {
  const [name = '', ...rest] = text.split(':');
  if (name === '') return [];
  if (name !== 'proxy') return [{ driver: name, socket: undefined, idleMsecs: 0 }];
  const idle = rest.find((part) => part.startsWith('idle_msecs='))?.slice('idle_msecs='.length);
  const socket = rest.find((part) => !/^(idle_msecs|warn_slow_msecs)=/.test(part));
  return [{ driver: name, socket, idleMsecs: Number(idle ?? 0) }];
}

/** Those that have a port. */
function inetListeners(service: DoveconfSection | undefined, listen: string): InetListener[] {
  if (service === undefined) return [];
  return sectionsOf(service, 'inet_listener').flatMap(({ name, values }) => {
    const port = Number(values.get('port') ?? 0);
    if (port === 0) return [];
    const addresses = values.get('address') || listen;
    return [inetListener(name, addresses, port, values.get('ssl') === 'yes')];
  });
}

const unixSockets = (service: DoveconfSection | undefined, baseDir: string): string[] =>
  service === undefined
    ? []
    : sectionsOf(service, 'unix_listener')
        .filter(({ values }) => !isDisabled(values))
        .map(({ name }) => (isAbsolute(name) ? name : join(baseDir, name)));
