import { LOG_LEVELS } from '../logging.ts';
import type { FormatTypes } from './formats.ts';

const hours = (count: number): number => count * 3_600_000;
const minutes = (count: number): number => count * 60_000;
const seconds = (count: number): number => count * 1_000;

/**
 * Every option, once: its meaning, format and default. The type {@link Config}, the environment
 * names, `config.example.yaml` (held against this by a test) and `coi-sidecar check` come from here.
 */
export const schema = {
  http: {
    listen: {
      doc: 'Where the HTTP service listens. Dovecot must reach it; the internet must not.',
      format: 'listen-address',
      default: '127.0.0.1:9380',
    },
    token: {
      doc: 'Bearer token that Dovecot sends with events, classifications and notices. At least 16 characters.',
      format: 'text',
      default: '',
      sensitive: true,
    },
    admin_token: {
      doc: 'Bearer token of the admin calls under /v1, and password of the status page. Empty: neither of them.',
      format: 'text',
      default: '',
      sensitive: true,
    },
    socket: {
      doc: 'Unix socket on which the HTTP service listens as well: for the command line, and for a Dovecot 2.4 that reports events over it. Empty: none.',
      format: 'optional-path',
      default: '',
    },
    mode: { doc: 'File mode of that socket.', format: 'file-mode', default: 0o660 },
    group: { doc: 'Group of that socket, as dict.group.', format: 'text', default: '' },
  },
  dict: {
    socket: {
      doc: 'Unix socket that Dovecot uses as its attribute dict (metadata.source: dict).',
      format: 'absolute-path',
      default: '/run/coi-sidecar/dict.sock',
    },
    mode: {
      doc: 'File mode of that socket. Who may connect may read everything that users annotated.',
      format: 'file-mode',
      default: 0o660,
    },
    group: {
      doc: 'Group of that socket: the one that mail processes run as. Empty: the group of this service.',
      format: 'text',
      default: '',
    },
  },
  sieve: {
    socket: {
      doc: 'Unix socket that Sieve\'s "execute" reaches; it must lie in Dovecot\'s sieve_execute_socket_dir.',
      format: 'absolute-path',
      default: '/run/coi-sidecar/sieve/coi-classify',
    },
    mode: { doc: 'File mode of that socket.', format: 'file-mode', default: 0o660 },
    group: { doc: 'Group of that socket, as dict.group.', format: 'text', default: '' },
  },
  events: {
    driver: {
      doc: 'Dovecot\'s push notification driver that reports events: "lua", or "ox" for a Dovecot built without Lua (95-coi-events-ox.conf), which reports new mail in INBOX only.',
      format: ['lua', 'ox'],
      default: 'lua',
    },
    dir: {
      doc: 'Directory of the event logs, in which the Lua script leaves the events that it could not hand over. Only this service writes to it; on a local file system with ACLs.',
      format: 'absolute-path',
      default: '/var/spool/coi-events',
    },
    group: {
      doc: 'Group that may enter it, as dict.group.',
      format: 'text',
      default: '',
    },
  },
  metadata: {
    source: {
      doc: 'Who keeps the annotations: "dict", this service (full conformance), or "doveadm", Dovecot\'s own mail_attribute_dict.',
      format: ['dict', 'doveadm'],
      default: 'dict',
    },
    entry_limit: {
      doc: 'How many annotations one user may have (metadata.source: dict), those of mail-crypt and others included; past it, the answer is NO.',
      format: 'positive',
      default: 100_000,
    },
    octet_limit: {
      doc: 'How many octets they may take, names and values together.',
      format: 'positive',
      default: 67_108_864,
    },
    shared_entry_limit: {
      doc: 'How many annotations one mailbox may have that all who see it share; keys of mail_crypt have room beyond it.',
      format: 'positive',
      default: 10_000,
    },
    shared_octet_limit: {
      doc: 'How many octets those may take, names and values together.',
      format: 'positive',
      default: 4_194_304,
    },
  },
  store: {
    url: {
      doc: 'The embedded store, or redis://[user:password@]host[:port][/db] for several sidecars over one state.',
      format: 'text',
      default: 'sqlite:/var/lib/coi-sidecar/state.db',
      sensitive: true,
    },
    trusted_users: {
      doc: "Users, besides root and this service's own, whose processes may listen at store.url on this host (redis://). Nobody else is sent the password.",
      format: 'list',
      default: ['redis', 'valkey', 'keydb'] as readonly string[],
    },
    key_file: {
      doc: 'File with 32 octets (raw, hex or base64) that encrypts VAPID private keys at rest. Empty: not encrypted.',
      format: 'optional-path',
      default: '',
    },
  },
  outbox: {
    path: {
      doc: 'SQLite file of the pushes that are owed; always local to this host. Empty: outbox.db beside the file of store.url, with Redis in /var/lib/coi-sidecar.',
      format: 'optional-path',
      default: '',
    },
    limit: {
      doc: 'How many pushes may be owed at once; past it, whoever is owed most loses the oldest, counted.',
      format: 'positive',
      default: 100_000,
    },
  },
  doveadm: {
    url: {
      doc: "Dovecot's doveadm HTTP API: a URL, or a unix socket as unix:/run/dovecot/http (95-coi-doveadm-socket.conf).",
      format: 'text',
      default: 'http://127.0.0.1:8080/doveadm/v1',
    },
    api_key: {
      doc: "The API's key: doveadm_api_key in Dovecot's configuration.",
      format: 'text',
      default: '',
      sensitive: true,
    },
    trusted_users: {
      doc: "Users, besides root and this service's own, whose processes may listen at doveadm.url on this host: a Dovecot that was not started by root. Nobody else is sent the key.",
      format: 'list',
      default: [] as readonly string[],
    },
    timeout: {
      doc: 'How long one doveadm call may take.',
      format: 'positive-duration',
      default: seconds(10),
    },
    socket: {
      doc: 'Unix socket of the doveadm service, for messages with octets outside UTF-8. Empty: they are pushed without content.',
      format: 'optional-path',
      default: '',
    },
  },
  spool: {
    dir: {
      doc: 'Directory of events left from a version before the event logs; read until it is empty. It need not be there.',
      format: 'absolute-path',
      default: '/var/spool/coi-sidecar',
    },
    poll_interval: {
      doc: 'How often it and the event logs are looked at besides being watched.',
      format: 'positive-duration',
      default: seconds(5),
    },
  },
  coi: {
    mailbox_root: {
      doc: 'Mailbox under which Chats and Contacts stand. With a namespace prefix include it: "INBOX.COI".',
      format: 'text',
      default: 'COI',
    },
    mailbox_separator: {
      doc: "The hierarchy separator of the users' namespace (Dovecot: namespace separator).",
      format: ['/', '.', '^', '|'],
      default: '/',
    },
    blocked_mailbox: {
      doc: 'Mailbox for messages of blocked contacts. Empty: "Blocked" beside mailbox_root, where the client specification has it; it was "COI/Blocked" before there was this option.',
      format: 'text',
      default: '',
    },
    trash_mailboxes: {
      doc: 'Mailboxes that count as the trash, besides those with special_use = \\Trash: moving Chats below one disables COI.',
      format: 'list',
      default: ['Trash'] as readonly string[],
    },
    contacts_lifetime: {
      doc: "How long a user's list of blocked contacts may be cached; changes over IMAP take effect at once.",
      format: 'duration',
      default: minutes(5),
    },
    recent_messages: {
      doc: 'How much of the messages that passed the classify road is kept for their pushes, in MiB.',
      format: 'positive',
      default: 64,
    },
  },
  webpush: {
    subscription_expire: {
      doc: 'How long a client has to validate a subscription, once the push service has taken the validation push. Before that, the push is tried for as long.',
      format: 'positive-duration',
      default: minutes(5),
    },
    subscription_limit: {
      doc: 'How many subscriptions a user can have at a time.',
      format: 'positive',
      default: 10,
    },
    vapid_curve: {
      doc: 'Curve of new VAPID keys. The big push services know prime256v1 only.',
      format: ['prime256v1', 'secp384r1', 'secp521r1'],
      default: 'prime256v1',
    },
    vapid_subject: {
      doc: 'Contact for push services, mailto:… or https://…; some refuse pushes without one.',
      format: 'text',
      default: '',
    },
    cache_lifetime: {
      doc: "How long a user's settings read through doveadm are kept (metadata.source: doveadm).",
      format: 'duration',
      default: minutes(1),
    },
    max_retries: {
      doc: 'How often a push is tried again at once; after that with growing delays until its time is over.',
      format: 'whole',
      default: 1,
    },
    timeout_msecs: {
      doc: 'How long it may take to reach a push service, from name lookup to TLS, in milliseconds; and how long a client that subscribes waits for its validation push.',
      format: 'positive',
      default: 2_000,
    },
    answer_timeout_msecs: {
      doc: 'How long a push service may take to answer once it has the whole push, in milliseconds; at least webpush.timeout_msecs.',
      format: 'positive',
      default: 10_000,
    },
    rawlog_dir: {
      doc: 'Directory for one file per push request; %u is the user. Empty: none. It must exist and be writable.',
      format: 'optional-path',
      default: '',
    },
    padding: {
      doc: 'Pad pushes to the next 1 kB, which hides their size. Some client libraries cannot read it.',
      format: 'yes-no',
      default: false,
    },
    message_ttl: {
      doc: 'How long a push for a message is worth delivering.',
      format: 'positive-duration',
      default: hours(24),
    },
    proxy_url: {
      doc: 'HTTP proxy for pushes: http://… or https://…; empty: none.',
      format: 'text',
      default: '',
      sensitive: true,
    },
    proxy_username: { doc: 'User name for the proxy.', format: 'text', default: '' },
    proxy_password: {
      doc: 'Password for the proxy.',
      format: 'text',
      default: '',
      sensitive: true,
    },
    proxy_trusted_users: {
      doc: "Users, besides root and this service's own, whose processes may listen at proxy_url on this host (http://). Nobody else is sent the password.",
      format: 'list',
      default: ['proxy', 'squid', 'tinyproxy', 'privoxy'] as readonly string[],
    },
    allow_private_endpoints: {
      doc: 'Hosts, addresses or CIDRs of push services in private networks; also permits http:// to them.',
      format: 'list',
      default: [] as readonly string[],
    },
    ca_file: {
      doc: 'PEM file of further certificate authorities that push services may be signed by.',
      format: 'optional-path',
      default: '',
    },
  },
  abuse: {
    refusals: {
      doc: 'Refused annotations allowed before pauses begin.',
      format: 'positive',
      default: 5,
    },
    pause: {
      doc: 'The first pause; each further refusal doubles it.',
      format: 'duration',
      default: seconds(10),
    },
    lockout: { doc: 'The longest pause.', format: 'duration', default: hours(1) },
    attempts: {
      doc: 'Validation pushes that a user may leave unvalidated within abuse.period; past them, new subscriptions get NO.',
      format: 'positive',
      default: 30,
    },
    host_attempts: {
      doc: 'The same, for all users together to one push service: by default enough for 100,000 who subscribe in one hour, of whom a fifth does not validate.',
      format: 'positive',
      default: 20_000,
    },
    period: {
      doc: 'How long an unvalidated validation push counts.',
      format: 'positive-duration',
      default: hours(1),
    },
  },
  watchdog: {
    timeout: {
      doc: 'How long the process may hang before it ends itself, to be started anew by systemd or Docker. 0 disables the watchdog (for debugging).',
      format: 'duration',
      default: seconds(30),
    },
  },
  log: {
    level: {
      doc: 'The least serious messages that are logged.',
      format: LOG_LEVELS,
      default: 'info',
    },
  },
} as const;

type Widen<T> = T extends string
  ? string
  : T extends number
    ? number
    : T extends boolean
      ? boolean
      : T;

type ValueOf<Leaf> = Leaf extends { format: readonly (infer Choice)[] }
  ? Choice
  : Leaf extends { format: infer Name extends keyof FormatTypes }
    ? FormatTypes[Name]
    : Leaf extends { default: infer Default }
      ? Widen<Default>
      : never;

/** The configuration as the program sees it: durations in milliseconds, modes as numbers. */
export type Config = {
  readonly [Section in keyof typeof schema]: {
    readonly [Key in keyof (typeof schema)[Section]]: ValueOf<(typeof schema)[Section][Key]>;
  };
};

export interface Leaf {
  doc: string;
  format: string | readonly string[];
  default: unknown;
  sensitive?: boolean;
}

/** All options as `section.key` with their descriptions, in the order of the schema. */
export const leaves: readonly (readonly [path: string, leaf: Leaf])[] = Object.entries(
  schema,
).flatMap(([section, keys]) =>
  Object.entries(keys as Record<string, Leaf>).map(
    ([key, leaf]) => [`${section}.${key}`, leaf] as const,
  ),
);

/** `webpush.max_retries` → `COI_SIDECAR_WEBPUSH_MAX_RETRIES`. */
export const environmentName = (path: string): string =>
  `COI_SIDECAR_${path.replaceAll('.', '_').toUpperCase()}`;
