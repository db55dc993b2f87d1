/** What a check wants to know of Dovecot's configuration, in whichever version's words it was written. */
export interface DovecotSettings {
  /** `2.3.19.1` */
  readonly version: string;
  readonly series: '2.3' | '2.4';
  /** Where all of it begins: `/etc/dovecot/dovecot.conf`. */
  readonly configFile: string;
  readonly server: ServerSettings;
  readonly protocols: Readonly<Record<ProtocolName, ProtocolSettings>>;
}

/** The ones in which a part of ours runs. */
export const PROTOCOLS = ['imap', 'lmtp', 'lda'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

export interface ServerSettings {
  readonly baseDir: string;
  readonly libexecDir: string;
  readonly pluginDir: string;
  /** The protocols that are served. */
  readonly served: ReadonlySet<string>;
  /** Owner of the mail and the further groups of its processes; empty where the userdb decides. */
  readonly mailUid: string;
  readonly mailGid: string;
  readonly accessGroups: readonly string[];
  readonly userdbs: readonly UserDatabase[];
  readonly doveadm: DoveadmServerSettings;
  readonly imap: readonly InetListener[];
  readonly lmtp: readonly (InetListener | UnixListener)[];
  readonly exporters: readonly EventExporter[];
  readonly namespaces: readonly NamespaceSettings[];
  /** Blocks in which imap_metadata is off, whatever it is elsewhere: `remote 10.0.0.0/8`. */
  readonly metadataOffFor: readonly string[];
}

/** One that is asked who a user is. */
export interface UserDatabase {
  /** `passwd`, `static`, `sql` … */
  readonly driver: string;
  /** What its settings give to users, who may have something else in the database itself. */
  readonly fields: ReadonlyMap<string, string>;
  /** Whether it can say who there is; Dovecot logs an error each time that one is asked which cannot. */
  readonly lists: boolean;
}

export interface InetListener {
  readonly name: string;
  /** Where to reach it from this host. */
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet on. */
  readonly tls: boolean;
  /** Whether it listens on every address of this host. */
  readonly everywhere: boolean;
}

/** A namespace that is not disabled. Where none is written down there is one: INBOX's, without a prefix. */
export interface NamespaceSettings {
  /** `inbox` of `namespace inbox { … }`; may be empty in 2.3. */
  readonly name: string;
  readonly type: 'private' | 'shared' | 'public';
  readonly prefix: string;
  /** Of levels of mailboxes; undefined where it is up to a mail format that cannot be told from here. */
  readonly separator: string | undefined;
  readonly hasInbox: boolean;
  /** Full names of its mailboxes with special_use = \Trash. */
  readonly trash: readonly string[];
}

export interface UnixListener {
  readonly path: string;
}

export interface DoveadmServerSettings {
  readonly http: readonly InetListener[];
  /** Absolute paths of its unix sockets that speak HTTP. */
  readonly httpSockets: readonly string[];
  /** Whether each request costs a process of its own. */
  readonly processPerRequest: boolean;
  /** Empty: all. */
  readonly allowedCommands: readonly string[];
}

/** An HTTP exporter with the metrics that feed it. */
export interface EventExporter {
  readonly name: string;
  readonly url: string;
  readonly filters: readonly string[];
}

export interface ProtocolSettings {
  readonly plugins: ReadonlySet<string>;
  readonly pushDrivers: readonly PushDriver[];
  readonly sieve: SieveSettings;
  readonly imapMetadata: boolean;
  /** What becomes of the name that mail or a login comes for: `%Lu`, `%{user | username | lower}`. */
  readonly usernameFormat: string;
  /** More than one is a fault, which 2.4 lets pass until the dict is used. */
  readonly attributeDicts: readonly AttributeDict[];
  /** Words that imap_capability adds. */
  readonly capability: ReadonlySet<string>;
}

export interface PushDriver {
  /** `coi` of `push_notification coi { … }`; empty in 2.3. */
  readonly name: string;
  /** `lua`, `ox`, `dlog` … */
  readonly driver: string;
  /** Of `lua`. */
  readonly file: string | undefined;
  /** Of `ox`. */
  readonly url: string | undefined;
  /** Of `ox`: whether an annotation of the user's says for whom mail came. */
  readonly userFromMetadata: boolean;
  /** The settings of coi.lua, as far as they are set. */
  readonly settings: Readonly<
    Record<'url' | 'token' | 'eventsDir' | 'sharedPrefix', string | undefined>
  >;
}

export interface SieveSettings {
  readonly plugins: ReadonlySet<string>;
  /** Extensions for scripts of the administrator, and for those of users. */
  readonly globalExtensions: ReadonlySet<string>;
  readonly userExtensions: ReadonlySet<string>;
  readonly before: readonly BeforeScript[];
  /** Absolute; undefined where it is not set. */
  readonly socketDir: string | undefined;
  readonly binDir: string | undefined;
  /** How long Sieve waits for a program, in milliseconds. */
  readonly execTimeoutMsecs: number;
}

export interface BeforeScript {
  /** `coi` of `sieve_script coi { … }`; empty in 2.3. */
  readonly name: string;
  /** A file, or a directory of such files. */
  readonly path: string;
  /** Directory of its compiled form if that does not stand beside it. */
  readonly binDir: string | undefined;
}

export interface AttributeDict {
  /** `proxy`, `file`, `sql` … */
  readonly driver: string;
  /** Of `proxy`; absolute. */
  readonly socket: string | undefined;
  /** How long a session keeps its connection, in milliseconds. */
  readonly idleMsecs: number;
}

/**
 * Whether a user database is sure to list its users. SQL and LDAP do with a query that stands in a file of
 * theirs, and a passwd-file with a variable in its path is many files.
 *
 * @param place of a passwd-file, with its options
 * @see Dovecot src/auth/userdb-passwd-file.c, userdb_passwd_file_iterate_init
 */
export const listsUsers = (driver: string, place: string): boolean =>
  driver === 'passwd' || (driver === 'passwd-file' && !/%[^%]/.test(place));
