import { basename, isAbsolute, join } from 'node:path';
import {
  listsUsers,
  type AttributeDict,
  type EventExporter,
  type InetListener,
  type ProtocolSettings,
  type PushDriver,
  type ServerSettings,
  type UserDatabase,
} from './dovecot-settings.ts';
import { inetListener, isDisabled } from './inet-listener.ts';
import { readNamespaces24 } from './read-namespaces.ts';
import { sectionsOf, type DoveconfSection } from './parse-doveconf.ts';
import { metadataOffFor } from './metadata-off-for.ts';
import { readDuration } from './read-duration.ts';

/** doveconf shows no listener that nobody changed. */
const USUAL_PORTS: Readonly<Record<string, number>> = { imap: 143, imaps: 993 };

/**
 * What `doveconf -a` of Dovecot 2.4 says of the server.
 *
 * @param layout mailbox_list_layout as somebody has set it, which `-a` does not tell from the default
 */
export function readServer24(root: DoveconfSection, layout?: string): ServerSettings {
  const value = (name: string): string => root.values.get(name) ?? '';
  const baseDir = value('base_dir') || '/run/dovecot';
  const listen = value('listen');
  const doveadm = sectionsOf(root, 'service', 'doveadm');
  const requests = doveadm.map(({ values }) => values.get('restart_request_count'));
  return {
    baseDir,
    libexecDir: value('libexec_dir') || '/usr/lib/dovecot',
    pluginDir: value('mail_plugin_dir') || '/usr/lib/dovecot/modules',
    served: boolList(root, 'protocols'),
    mailUid: value('mail_uid'),
    mailGid: value('mail_gid'),
    accessGroups: [...boolList(root, 'mail_access_groups')].flatMap((word) => word.split(',')),
    userdbs: userDatabases(root),
    doveadm: {
      http: inetListeners(doveadm, listen).filter(({ name }) => name === 'http'),
      httpSockets: unixListeners(doveadm, baseDir)
        .filter(({ type }) => type === 'http')
        .map(({ path }) => path),
      processPerRequest: (requests.findLast((count) => count !== undefined) ?? '1') === '1',
      allowedCommands: [...boolList(root, 'doveadm_allowed_commands')],
    },
    imap: usualListeners(sectionsOf(root, 'service', 'imap-login'), listen),
    lmtp: [
      ...inetListeners(sectionsOf(root, 'service', 'lmtp'), listen),
      ...lmtpSockets(sectionsOf(root, 'service', 'lmtp'), baseDir),
    ],
    exporters: sectionsOf(root, 'event_exporter')
      .filter(({ values }) => values.get('driver') === 'http-post')
      .map(({ name, values }): EventExporter => ({
        name,
        url: values.get('http_post_url') ?? values.get('event_exporter_http_post_url') ?? '',
        filters: sectionsOf(root, 'metric')
          .filter((metric) => metric.values.get('exporter') === name)
          .map((metric) => metric.values.get('filter') ?? ''),
      })),
    namespaces: readNamespaces24(root, layout),
    metadataOffFor: metadataOffFor(root),
  };
}

/** `userdb static { fields { uid = vmail } }`, `userdb sql { fields { uid:default = vmail } }` */
function userDatabases(root: DoveconfSection): UserDatabase[] {
  return sectionsOf(root, 'userdb').flatMap((section) => {
    const driver = section.values.get('driver') || section.name;
    if (driver === 'prefetch') return [];
    const given = sectionsOf(section, 'fields').flatMap(({ values }) => [...values]);
    const fields = given
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name.replace(/:default$/, ''), value] as const);
    const path =
      section.values.get('passwd_file_path') ?? root.values.get('passwd_file_path') ?? '';
    return [{ driver, fields: new Map(fields), lists: listsUsers(driver, path) }];
  });
}

/** What `doveconf -a -f protocol=…` of Dovecot 2.4 says. */
export function readProtocol24(root: DoveconfSection): ProtocolSettings {
  const value = (name: string): string => root.values.get(name) ?? '';
  const baseDir = value('base_dir') || '/run/dovecot';
  const socketDir = value('sieve_execute_socket_dir');
  const imap = sectionsOf(root, 'service', 'imap');
  return {
    plugins: boolList(root, 'mail_plugins'),
    pushDrivers: sectionsOf(root, 'push_notification').map(driver),
    sieve: {
      plugins: boolList(root, 'sieve_plugins'),
      globalExtensions: boolList(root, 'sieve_global_extensions'),
      userExtensions: boolList(root, 'sieve_extensions'),
      before: sectionsOf(root, 'sieve_script')
        .filter(({ values }) => values.get('type') === 'before')
        .filter(({ values }) => (values.get('driver') ?? 'file') === 'file')
        .sort((one, other) => precedence(one) - precedence(other))
        .map(({ name, values }) => ({
          name,
          path: values.get('path') ?? '',
          binDir: values.get('bin_path') || undefined,
        })),
      socketDir: socketDir === '' ? undefined : join(baseDir, socketDir),
      binDir: value('sieve_execute_bin_dir') || undefined,
      execTimeoutMsecs: readDuration(value('sieve_execute_exec_timeout'), 10_000),
    },
    usernameFormat: root.values.get('auth_username_format') ?? '',
    imapMetadata: value('imap_metadata') === 'yes',
    attributeDicts: sectionsOf(root, 'mail_attribute')
      .flatMap((section) => sectionsOf(section, 'dict'))
      .map(attributeDict),
    capability: new Set(
      [root, ...imap].flatMap((section) => [...boolList(section, 'imap_capability')]),
    ),
  };
}

/** Scripts of one type run by this, and those of the same as they stand in the configuration. */
const precedence = ({ values }: DoveconfSection): number => {
  const set = Number(values.get('precedence') ?? NaN);
  return Number.isNaN(set) ? Number.MAX_SAFE_INTEGER : set; // `unlimited`, the default
};

/** `mail_plugins { notify = yes }`, or on one line `mail_plugins = notify sieve`. */
function boolList(parent: DoveconfSection, name: string): Set<string> {
  const words = (parent.values.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
  const found = new Set(words.map((word) => word.replace(/^"(.*)"$/, '$1')));
  for (const { values } of sectionsOf(parent, name)) {
    for (const [word, yes] of values) {
      if (yes === 'yes') found.add(word);
      else found.delete(word);
    }
  }
  return found;
}

/** `push_notification coi { driver = lua … }`; a driver that is not named is called as its section. */
function driver(section: DoveconfSection): PushDriver {
  const { name, values } = section;
  const settings = sectionsOf(section, 'lua_settings')[0]?.values;
  return {
    name,
    driver: values.get('driver') ?? name,
    file: values.get('lua_file'),
    url: values.get('ox_url'),
    userFromMetadata: values.get('ox_user_from_metadata') === 'yes',
    settings: {
      url: settings?.get('coi_sidecar_url'),
      token: settings?.get('coi_sidecar_token'),
      eventsDir: settings?.get('coi_sidecar_events_dir'),
      sharedPrefix: settings?.get('coi_sidecar_shared_prefix'),
    },
  };
}

/** `mail_attribute { dict proxy { socket_path = … } }` */
const attributeDict = ({ name, values }: DoveconfSection): AttributeDict => ({
  driver: values.get('driver') ?? name,
  socket: values.get('socket_path'),
  idleMsecs: readDuration(values.get('idle_timeout'), 0),
});

function inetListeners(services: readonly DoveconfSection[], listen: string): InetListener[] {
  return services
    .flatMap((service) => sectionsOf(service, 'inet_listener'))
    .flatMap(({ name, values }) => {
      const port = Number(values.get('port') ?? USUAL_PORTS[name] ?? 0);
      if (port === 0) return [];
      const tls = ['yes', 'required'].includes(
        values.get('ssl') ?? (name === 'imaps' ? 'yes' : ''),
      );
      return [inetListener(values.get('type') || name, values.get('listen') || listen, port, tls)];
    });
}

/** Those that somebody changed, and the usual ones that nobody did. */
function usualListeners(services: readonly DoveconfSection[], listen: string): InetListener[] {
  const named = new Set(
    services.flatMap((service) => sectionsOf(service, 'inet_listener')).map(({ name }) => name),
  );
  const usual = Object.entries(USUAL_PORTS)
    .filter(([name]) => !named.has(name))
    .map(([name, port]) => inetListener(name, listen, port, name === 'imaps'));
  return [...inetListeners(services, listen), ...usual];
}

/**
 * Listeners with what they speak: their type or, without one, what their name ends in.
 *
 * @see Dovecot src/lib-master/master-service.c, master_service_connection_get_type
 */
function unixListeners(
  services: readonly DoveconfSection[],
  baseDir: string,
): { path: string; type: string }[] {
  return services
    .flatMap((service) => sectionsOf(service, 'unix_listener'))
    .filter(({ values }) => !isDisabled(values))
    .map(({ name, values }) => {
      const path = values.get('path') ?? name;
      const type = values.get('type') || (basename(path).split('-').at(-1) ?? '');
      return { path: isAbsolute(path) ? path : join(baseDir, path), type };
    });
}

/** Also `lmtp`, which is always there. */
function lmtpSockets(services: readonly DoveconfSection[], baseDir: string): { path: string }[] {
  const paths = unixListeners(services, baseDir).map(({ path }) => path);
  return [...new Set([...paths, join(baseDir, 'lmtp')])].map((path) => ({ path }));
}
