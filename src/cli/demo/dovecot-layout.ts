import { join } from 'node:path';

/** Where everything of a private Dovecot stands, below its temporary directory. */
export interface DovecotLayout {
  dir: string;
  configFile: string;
  logFile: string;
  /** Dovecot's base_dir. */
  baseDir: string;
  stateDir: string;
  /** Parent of the users' homes: `<mailDir>/<user>/Maildir`. */
  mailDir: string;
  /** What an admin has as /etc/dovecot/coi. */
  coiDir: string;
  /** What an admin has as /run/coi-sidecar; beside base_dir, as the snippets assume. */
  sidecarDir: string;
  /** events.dir of the sidecar. */
  eventsDir: string;
  /** spool.dir of the sidecar: there is none, as nothing was installed before. */
  oldSpoolDir: string;
  /** doveadm's own protocol … */
  doveadmSocket: string;
  /** … and its HTTP API. */
  doveadmHttp: string;
  dictSocket: string;
  sieveSocketDir: string;
}

/** Short names: a unix socket's path must fit into 107 octets. */
export function dovecotLayout(dir: string): DovecotLayout {
  const sidecarDir = join(dir, 'coi-sidecar');
  return {
    dir,
    configFile: join(dir, 'dovecot.conf'),
    logFile: join(dir, 'dovecot.log'),
    baseDir: join(dir, 'dovecot'),
    stateDir: join(dir, 'state'),
    mailDir: join(dir, 'mail'),
    coiDir: join(dir, 'coi'),
    sidecarDir,
    eventsDir: join(dir, 'events'),
    oldSpoolDir: join(dir, 'old-spool'),
    doveadmSocket: join(dir, 'dovecot', 'coi-doveadm'),
    doveadmHttp: join(dir, 'dovecot', 'http'),
    dictSocket: join(sidecarDir, 'dict.sock'),
    sieveSocketDir: join(sidecarDir, 'sieve'),
  };
}
