import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  truncate,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';

export interface EventDirectoryParts {
  /** `events.dir`. */
  dir: string;
  /** Of the directory itself, which mail processes may enter; undefined: the one that it has. */
  groupId?: number | undefined;
  /** Told of each log before anyone else can open it. */
  onNewLog: (inode: string) => Promise<void>;
  log: Logger;
  /** Sets access control lists: setfacl(1). */
  setfacl?: string;
}

/** A directory is made for so many system users; a site has one, or one for each user. */
const MOST_USERS = 10_000;
/** What went wrong is tried again after this. */
const AGAIN_MSECS = 60_000;
/** A time in seconds. */
const MOST_HOLD_OCTETS = 64;
const NUMBER = /^(?:0|[1-9]\d{0,9})$/;
/** Modes of the directory that let nobody else do more than pass it. */
const CLOSED = [0o710, 0o711];
/** What is not finished; nobody else looks at it. */
const UNFINISHED = '.new-';
const ENTER = { mode: 0o700, right: '--x', maskedMode: 0o710 };
const WRITE = { mode: 0o600, right: 'rw-', maskedMode: 0o660 };

/**
 * The directory of the event logs. In it stands a directory for each system user that runs mail
 * processes, with a `log` to append to and a file `hold`, which that user may open for writing. Nobody but
 * this service can make, remove or replace anything: what a mail process opens there is a regular file.
 *
 * The access of the one user comes from a POSIX ACL. Its mask shows as the bits of the group, which
 * itself may do nothing.
 */
export class EventDirectory {
  readonly dir: string;
  readonly #groupId: number | undefined;
  readonly #onNewLog: EventDirectoryParts['onNewLog'];
  readonly #log: Logger;
  readonly #setfacl: string;
  readonly #ownId = process.geteuid?.() ?? 0;
  readonly #known = new Map<number, Promise<boolean>>();
  /** System users whose access could not be set, and why. */
  readonly #withoutAcl = new Map<number, string>();
  #full = false;
  #checking: Promise<void> | undefined;
  #groupFound: number | undefined;

  constructor({ dir, groupId, onNewLog, log, setfacl = 'setfacl' }: EventDirectoryParts) {
    this.dir = dir;
    this.#groupId = groupId;
    this.#onNewLog = onNewLog;
    this.#log = log;
    this.#setfacl = setfacl;
  }

  /**
   * Makes the directory, or sees to it that nobody else can write to it.
   *
   * @throws UnavailableError saying what to do
   */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.dir, { mode: this.#groupId === undefined ? 0o711 : 0o710 }).catch(
        unlessThere,
      );
      const found = await stat(this.dir);
      if (!found.isDirectory()) throw new Error('it is no directory: remove it');
      if (found.uid !== this.#ownId) {
        const owner = `it belongs to the system user ${found.uid}, not to ${this.#ownId}`;
        throw new Error(`${owner}: see chown(1)`);
      }
      if (this.#groupId !== undefined && found.gid !== this.#groupId)
        await chown(this.dir, this.#ownId, this.#groupId);
      if (!CLOSED.includes(found.mode & 0o7777)) await chmod(this.dir, 0o710);
      this.#groupFound = found.gid;
    } catch (cause) {
      const what = `events.dir ${this.dir} cannot be used (${errorMessage(cause)})`;
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      const remedy = full ? ': its file system is full' : ': it must be there, and of this service';
      throw new UnavailableError(what + remedy, { cause });
    }
  }

  /** The group of the directory, once that was {@link prepare}d. */
  get groupId(): number | undefined {
    return this.#groupFound;
  }

  /** The system users that have a directory. */
  async users(): Promise<number[]> {
    const names = await readdir(this.dir).catch(() => []);
    return names
      .filter((name) => NUMBER.test(name))
      .map(Number)
      .sort((one, other) => one - other)
      .slice(0, MOST_USERS);
  }

  /** Where a system user's log stands. */
  of(uid: number): string {
    return join(this.dir, String(uid));
  }

  /**
   * Sees to it that a system user has a log; once for each, until that fails.
   *
   * @returns whether there is one now; why not is in the log
   */
  async ensure(uid: number): Promise<boolean> {
    const known = this.#known.get(uid);
    if (known !== undefined) return known;
    if (uid === 0 && this.#ownId !== 0) return false;
    if (this.#known.size >= MOST_USERS) {
      if (!this.#full) this.#log.error({ most: MOST_USERS }, 'too many system users report events');
      this.#full = true;
      return false;
    }
    const made = this.#ensure(uid).catch((error: unknown) => {
      setTimeout(() => this.#known.delete(uid), AGAIN_MSECS).unref();
      this.#log.error({ uid, reason: errorMessage(error) }, 'cannot make an event log');
      return false;
    });
    this.#known.set(uid, made);
    return made;
  }

  /**
   * Puts an empty log in the place of a user's; the one that was there gets the name returned.
   *
   * @param aside gives the old one a second name before it loses the first
   * @throws UnavailableError its user could not write to the empty one: the old one stays
   */
  async renew(uid: number, aside: (path: string) => Promise<void>): Promise<void> {
    await this.#putLog(uid, async (path) => {
      const reason = this.#withoutAcl.get(uid);
      if (reason !== undefined) throw new UnavailableError(reason);
      await aside(path);
    });
  }

  async #putLog(uid: number, before?: (path: string) => Promise<void>): Promise<void> {
    const path = join(this.of(uid), 'log');
    const fresh = join(this.of(uid), `${UNFINISHED}${randomBytes(6).toString('hex')}`);
    try {
      await this.#makeFile(fresh, uid);
      await this.#tellOfLog(fresh);
      await before?.(path);
      await rename(fresh, path);
    } finally {
      await rm(fresh, { force: true });
    }
  }

  /** Looks after a user's log again: something of it is missing, or is not what it was. */
  async mend(uid: number): Promise<boolean> {
    this.#known.delete(uid);
    return this.ensure(uid);
  }

  /** Empties a user's `hold` of what is longer than any that a script writes, and would stay for ever. */
  async trimHold(uid: number): Promise<void> {
    const path = join(this.of(uid), 'hold');
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() === true && found.size > MOST_HOLD_OCTETS) await truncate(path);
  }

  /** Tries once more to give one of the system users access to whom that could not be given. */
  async mendAccess(): Promise<void> {
    const [first] = this.#withoutAcl;
    if (first === undefined) return;
    const [uid, reason] = first;
    this.#withoutAcl.delete(uid);
    this.#withoutAcl.set(uid, reason); // the next time it is the turn of another
    await this.mend(uid);
  }

  /**
   * Who asks while it is being looked at is told of that look: two would have one file between them.
   *
   * @throws UnavailableError saying what keeps mail processes from leaving events
   */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #check(): Promise<void> {
    await this.prepare();
    const probe = join(this.dir, `${UNFINISHED}check`);
    try {
      await rm(probe, { force: true });
      const file = await open(probe, 'wx', 0o600);
      await file.writeFile('{}').finally(() => file.close());
      await rm(probe);
    } catch (cause) {
      const reason = errorMessage(cause);
      throw new UnavailableError(`events.dir ${this.dir} takes no file (${reason})`, { cause });
    }
    for (const uid of this.#withoutAcl.keys()) {
      await this.mend(uid);
      const reason = this.#withoutAcl.get(uid);
      if (reason !== undefined) throw new UnavailableError(reason);
    }
  }

  async #ensure(uid: number): Promise<boolean> {
    const directory = this.of(uid);
    if (await this.#isOurs(directory, uid, 'directory')) {
      await this.#allow(uid, ENTER, [directory]);
      for (const name of ['log', 'hold']) {
        if (await this.#isOurs(join(directory, name), uid, 'file')) continue;
        if (name === 'log') await this.#putLog(uid);
        else await this.#makeFile(join(directory, name), uid);
      }
      await this.#allow(uid, WRITE, [join(directory, 'log'), join(directory, 'hold')]);
      await removeUnfinished(directory);
      return true;
    }
    const fresh = join(this.dir, `${UNFINISHED}${uid}-${randomBytes(6).toString('hex')}`);
    await mkdir(fresh, { mode: ENTER.mode });
    for (const name of ['log', 'hold']) await this.#makeFile(join(fresh, name), uid);
    await this.#allow(uid, ENTER, [fresh]);
    await this.#tellOfLog(join(fresh, 'log'));
    await rename(fresh, directory);
    return true;
  }

  /** What is there and is not ours, or no such thing, is given another name. */
  async #isOurs(path: string, uid: number, kind: 'directory' | 'file'): Promise<boolean> {
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) return false;
    const isKind = kind === 'directory' ? found.isDirectory() : found.isFile();
    if (isKind && found.uid === this.#ownId && (found.mode & 0o007) === 0) return true;
    const aside = `${path}.foreign-${randomBytes(6).toString('hex')}`;
    await rename(path, aside);
    this.#log.error({ uid, aside }, `a ${kind} of the event logs was not made by this service`);
    return false;
  }

  async #makeFile(path: string, uid: number): Promise<void> {
    const file = await open(path, 'wx', WRITE.mode);
    await file.close();
    await this.#allow(uid, WRITE, [path]);
  }

  async #tellOfLog(path: string): Promise<void> {
    await this.#onNewLog(String((await lstat(path, { bigint: true })).ino));
  }

  /** Sets the access control list where it is not set yet. */
  async #allow(uid: number, access: typeof ENTER, paths: readonly string[]): Promise<void> {
    if (uid === this.#ownId) return;
    const modes = await Promise.all(paths.map(async (path) => (await lstat(path)).mode & 0o777));
    if (modes.every((mode) => mode === access.maskedMode)) return;
    try {
      const rule = `u:${uid}:${access.right}`;
      await promisify(execFile)(this.#setfacl, ['-b', '-m', rule, '--', ...paths]);
      this.#withoutAcl.delete(uid);
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const reason = missing
        ? 'setfacl is missing: install the package acl'
        : `setfacl says: ${String((error as { stderr?: unknown }).stderr ?? error).trim()}`;
      const what = `mail processes of the system user ${uid} cannot leave events in ${this.of(uid)}`;
      if (this.#withoutAcl.size === 0) this.#log.error(`${what}: ${reason}`);
      this.#withoutAcl.set(uid, `${what}: ${reason}`);
    }
  }
}

function unlessThere(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}

/** What a process that ended had begun. */
async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(UNFINISHED)) await rm(join(directory, name), { force: true });
  }
}
