import type { ListenAddress } from '../../../config/parse-listen-address.ts';
import type { Config } from '../../../config/schema.ts';
import type { DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import type { Identity } from '../act-as.ts';
import type { AskHttp } from './ask-http.ts';
import type { MtaView } from './find-mta.ts';

/** What the doctor was asked to do. */
export interface DoctorOptions {
  /** Undefined: the environment alone. */
  configFile: string | undefined;
  /** Dovecot's, if it is not where doveconf looks by itself. */
  dovecotConfig: string | undefined;
  /** Scratch users for a trip. */
  users: readonly string[];
  /** The password of those users over IMAP. */
  password: string | undefined;
  /** Where mail is taken and IMAP spoken, if Dovecot's configuration is not to say it. */
  lmtp: ListenAddress | undefined;
  imap: ListenAddress | undefined;
  /** Origins of push services to be reached. */
  reach: readonly string[];
  /** How long a trip waits for what should come at once, in milliseconds. */
  patienceMsecs: number;
  /** Names of checks; empty: all. */
  only: readonly string[];
}

/** What the service says of itself. */
export interface Health {
  version: string;
  /** When it was started, RFC 3339: no two processes have the same. */
  started: string;
}

/** Everything that the checks look at, gathered once. */
export interface Setup {
  readonly options: DoctorOptions;
  readonly config: Config;
  /** Why `config` is not what the service runs with, and only a stand-in; undefined where it is. */
  readonly configurationProblem: string | undefined;
  /** Where the service should answer: `http://127.0.0.1:9380`. */
  readonly origin: string;
  readonly service: Health | undefined;
  readonly dovecot: DovecotView;
  readonly doveadm: DoveadmClient;
  /** Why the doveadm API cannot be used; undefined when it can. */
  readonly doveadmProblem: string | undefined;
  readonly mta: MtaView;
  readonly mailUser: MailUser;
  /** The same for one of the users that were named. */
  readonly findUser: (name: string) => Promise<MailUser>;
  /** Whom the service runs as: the owner of its socket. Undefined when there is none. */
  readonly serviceUser: Identity | undefined;
  readonly ask: AskHttp;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface DovecotView {
  readonly settings: DovecotSettings | undefined;
  /** Why there are none. */
  readonly problem: string;
  /** Whether that is a fault of Dovecot's configuration, and not of where this looks from. */
  readonly isFaulty: boolean;
}

/** Whom Dovecot's mail processes run as. */
export interface MailUser {
  /** A user that there is: the one that was named, or one of Dovecot's; undefined if none is known. */
  readonly name: string | undefined;
  /** What the userdb says of that one. */
  readonly fields: Readonly<Record<string, string>>;
  readonly identity: Identity | undefined;
  /** Whose groups of the system's they have besides; empty: nobody's. */
  readonly groupsUser: string;
  /** Whether it is a stand-in, as every user has an own one and none was named. */
  readonly guessed: boolean;
  /** Why it is not known. */
  readonly problem: string;
}
