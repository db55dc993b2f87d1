import type { Clock } from '../clock.ts';
import {
  DoveadmCommandError,
  isNoSuchUser,
  type DoveadmClient,
} from '../dovecot/doveadm-client.ts';
import { readFieldsOf } from '../dovecot/find-home.ts';
import { uidsOf } from '../peer/trusted-users.ts';
import { withDeadline } from '../stores/with-deadline.ts';
import { PROBE_USER } from './probes.ts';

export interface LogOwnersParts {
  doveadm: Pick<DoveadmClient, 'runAll'>;
  clock: Pick<Clock, 'monotonic'>;
}

/** What was found out is asked for again after this. */
const FRESH_MSECS = 3_600_000;
/** A system user with as many mail users is a site's own, which runs the mail processes of all. */
const MANY = 8;
/** Of one log. Past it, all others that were not asked about are foreign. */
const MOST_FOREIGN = 32;
const USERS_A_REQUEST = 16;
const MOST_ASKED = 1_000;
/** A log is not read meanwhile. */
const WAIT_MSECS = 5_000;

interface Owned {
  since: number;
  /** Mail users that belong to the system user. */
  readonly own: Set<string>;
  readonly foreign: Set<string>;
}

/**
 * Finds lines of event logs that tell of somebody else: whoever has a system user of their own can write
 * anything into its log. Dovecot's userdb says which system user a mail user belongs to; it is asked for the
 * first few users of a log only. Where it does not answer, or does not say, the line is believed.
 */
export class LogOwners {
  readonly #parts: LogOwnersParts;
  readonly #byUid = new Map<number, Owned>();

  constructor(parts: LogOwnersParts) {
    this.#parts = parts;
  }

  /** Those of `users` who do not belong to the system user `uid`. */
  async foreign(uid: number, users: Iterable<string>): Promise<ReadonlySet<string>> {
    const owned = this.#of(uid);
    if (uid === 0 || owned.own.size >= MANY) return NOBODY;
    const foreign = new Set<string>();
    let unasked = [...users].filter((user) => user !== PROBE_USER && !owned.own.has(user));
    while (unasked.length > 0) {
      const known = unasked.filter((user) => owned.foreign.has(user));
      for (const user of known) foreign.add(user);
      unasked = unasked.filter((user) => !owned.foreign.has(user));
      if (owned.foreign.size >= MOST_FOREIGN) {
        for (const user of unasked) foreign.add(user);
        return foreign;
      }
      const asked = unasked.splice(0, USERS_A_REQUEST);
      const answers = await this.#ask(asked);
      // The log is not kept waiting for the others.
      if (answers === undefined) return foreign;
      for (const [index, answer] of answers.entries()) {
        const user = asked[index] ?? '';
        const owner = ownerIn(answer);
        if (owner === uid) owned.own.add(user);
        else if (owner !== undefined) {
          owned.foreign.add(user);
          foreign.add(user);
        }
      }
      if (owned.own.size >= MANY) return NOBODY;
    }
    return foreign;
  }

  /**
   * The system users of some mail users: of the first thousand, or fewer where all have the same ones.
   * Where the userdb has none, Dovecot says `mail_uid` as it was configured, which may be a name.
   *
   * @throws what `users` throws
   */
  async systemUsers(users: AsyncIterable<string> | Iterable<string>): Promise<ReadonlySet<number>> {
    const found = new Set<number>();
    let asked = 0;
    let some: string[] = [];
    const ask = async (): Promise<boolean> => {
      const before = found.size;
      const given = ((await this.#ask(some)) ?? []).map((answer) =>
        answer instanceof DoveadmCommandError ? '' : (answer['uid'] ?? ''),
      );
      for (const uid of (await uidsOf(given)).values()) found.add(uid);
      asked += some.length;
      some = [];
      return found.size > before && asked < MOST_ASKED;
    };
    for await (const user of users) {
      if (user === '') continue; // what mailboxes have, and not users
      some.push(user);
      if (some.length === USERS_A_REQUEST && !(await ask())) return found;
    }
    if (some.length > 0) await ask();
    return found;
  }

  #of(uid: number): Owned {
    const now = this.#parts.clock.monotonic();
    let owned = this.#byUid.get(uid);
    if (owned === undefined || now - owned.since > FRESH_MSECS) {
      owned = { since: now, own: new Set(), foreign: new Set() };
      this.#byUid.set(uid, owned);
    }
    return owned;
  }

  /** @returns what Dovecot says of each; undefined where it does not answer */
  async #ask(
    users: readonly string[],
  ): Promise<Awaited<ReturnType<typeof readFieldsOf>> | undefined> {
    return withDeadline(
      readFieldsOf(this.#parts.doveadm, users),
      WAIT_MSECS,
      'Dovecot does not say in time who a user is',
    ).catch(() => undefined);
  }
}

/**
 * The number of the system user: 'none' for who is no user, undefined where it is not told. A name tells
 * nothing: Dovecot may run elsewhere, where it has another number.
 */
function ownerIn(
  answer: Record<string, string> | DoveadmCommandError,
): number | 'none' | undefined {
  if (answer instanceof DoveadmCommandError) return isNoSuchUser(answer) ? 'none' : undefined;
  const uid = Number(answer['uid']);
  return Number.isSafeInteger(uid) && answer['uid'] ? uid : undefined;
}

const NOBODY: ReadonlySet<string> = new Set();
