import type { SQLOutputValue } from 'node:sqlite';
import type { NewPush, OwedPush, Postponement, PushKind, Urgency } from '../outbox-store.ts';
import { JOURNAL_LIMITS, type JournalLimits } from '../event-journal.ts';
import { PROBE, type JobRunner } from './job-runner.ts';
import {
  EVENT_LOG_TABLES,
  JOURNAL_TABLE,
  prepareJournal,
  type JournalJob,
  type JournalResult,
} from './journal.ts';
import { DAMAGED_TABLE, setPushesAside, SOUND_PUSH, toAttempts, toTime } from './sound-rows.ts';
import { hashDedupeKey, prepareTombstones } from './tombstones.ts';

/** `now` is in milliseconds since the epoch, from the caller's clock. */
export type OutboxJob =
  | { op: 'add'; pushes: readonly NewPush[]; now: number }
  | { op: 'settle'; ids: readonly number[]; now: number }
  | { op: 'postpone'; id: number; attempt: Postponement }
  | { op: 'page'; afterId: number; limit: number }
  | { op: 'forget-user'; user: string }
  | { op: 'check' }
  | JournalJob;

/** To an add, the ids of its pushes, undefined for those left out. */
export type OutboxResult =
  OwedPush[] | JournalResult | (number | undefined)[] | number[] | undefined;

/**
 * `id` never comes back (AUTOINCREMENT): a late settle must not hit a later push.
 * `topic` is not used: it follows from what is sent.
 * A tombstone is 16 octets of hash and a date: they outnumber the pushes that are owed.
 */
const VERSION_1 = `
  CREATE TABLE owed (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dedupe_hash BLOB NOT NULL UNIQUE,
    user TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    urgency TEXT NOT NULL,
    topic TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    dedupe_key TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX owed_expires_at ON owed (expires_at);
  CREATE TABLE settled (
    dedupe_hash BLOB PRIMARY KEY,
    settled_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
`;

/** Who goes first when the outbox is full is decided in memory (src/webpush/delivery/user-shares.ts). */
const DROP_EXPIRY_INDEX = 'DROP INDEX IF EXISTS owed_expires_at;';

const UNANSWERED = 'ALTER TABLE owed ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;';

/** Pages that may lie idle in the file before it is cut back: 16 MiB. */
const IDLE_PAGES = 4096;
/** Pages given back to the file system at once, so that no settle takes long, and how often. */
const PAGES_GIVEN_BACK = 128;
const GIVE_BACK_EVERY = 64;

const MAY_BE_LOST: ReadonlySet<OutboxJob['op']> = new Set<OutboxJob['op']>([
  ...(['settle', 'postpone', 'forget'] as const),
  ...(['users', 'page-of-user', 'oldest'] as const),
]);

export interface OutboxOptions {
  rememberMsecs: number;
  /** Of the event journal. */
  limits?: JournalLimits | undefined;
}

/** The outbox: both halves, for its readers can wait where its writers wait. */
export const outbox: JobRunner<OutboxJob, OutboxResult, OutboxOptions> = {
  // "COIo"
  schema: {
    applicationId: 0x434f496f,
    migrations: [
      ...[VERSION_1, JOURNAL_TABLE],
      EVENT_LOG_TABLES + DAMAGED_TABLE + DROP_EXPIRY_INDEX,
      UNANSWERED,
    ],
  },

  // Pushes may come late or twice; they may not stand still.
  replaceable: true,
  setDamagedAside: setPushesAside,

  // A power failure then has a push sent twice, or early. A kill has not: it finds them in the file,
  // sooner than if they waited for the disk.
  mayBeLost: ({ op }) => MAY_BE_LOST.has(op),

  emptiesLog: ({ op }) => op === 'forget-user' || op === 'forget-events',

  prepare(db, { rememberMsecs, limits = JOURNAL_LIMITS }) {
    const tombstones = prepareTombstones(db, rememberMsecs);
    const journal = prepareJournal(db, limits);
    const insert = db.prepare(`
      INSERT INTO owed (dedupe_hash, user, subscription_id, endpoint, kind, payload, urgency,
        created_at, expires_at, dedupe_key, attempts, next_attempt_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT DO NOTHING`);
    const remove = db.prepare(
      'DELETE FROM owed WHERE id = ? RETURNING CAST(dedupe_hash AS BLOB) AS dedupe_hash',
    );
    const forgetUser = db.prepare('DELETE FROM owed WHERE user = ? RETURNING id');
    const idlePages = db.prepare('PRAGMA freelist_count');
    const giveBack = db.prepare(`PRAGMA incremental_vacuum(${PAGES_GIVEN_BACK})`);
    const postpone = db.prepare(
      'UPDATE owed SET attempts = ?, unanswered = ?, next_attempt_at = ? WHERE id = ?',
    );
    const forgetDamaged = db.prepare('DELETE FROM damaged WHERE user = ?');
    const page = db.prepare(
      `SELECT * FROM owed WHERE id > ? AND ${SOUND_PUSH} ORDER BY id LIMIT ?`,
    );
    const probe = db.prepare(PROBE);

    const add = (push: NewPush, now: number): number | undefined => {
      const key = hashDedupeKey(push.dedupeKey);
      if (tombstones.has(key, now)) return undefined;
      const { changes, lastInsertRowid } = insert.run(
        key,
        push.user,
        push.subscriptionId,
        push.endpoint,
        push.kind,
        push.payload,
        push.urgency,
        toTime(push.createdAt),
        toTime(push.expiresAt),
        push.dedupeKey,
      );
      return changes === 0 ? undefined : Number(lastInsertRowid);
    };

    const settle = (ids: readonly number[], now: number): void => {
      for (const id of ids) {
        const key = remove.get(id)?.['dedupe_hash'];
        if (key !== undefined) tombstones.set(key, now);
      }
      settled += ids.length;
      if (settled < GIVE_BACK_EVERY) return;
      settled = 0;
      if (Number(idlePages.get()?.['freelist_count']) > IDLE_PAGES) giveBack.all();
    };
    let settled = 0;

    return (job) => {
      switch (job.op) {
        case 'add':
          return job.pushes.map((push) => add(push, job.now));
        case 'settle':
          settle(job.ids, job.now);
          return undefined;
        case 'postpone': {
          const { attempts, unanswered, nextAttemptAt } = job.attempt;
          const counts = [toAttempts(attempts), toAttempts(unanswered)];
          postpone.run(...counts, toTime(nextAttemptAt), job.id);
          return undefined;
        }
        case 'page':
          return page.all(job.afterId, job.limit).map(toOwedPush);
        case 'forget-user':
          forgetDamaged.run(job.user);
          return forgetUser.all(job.user).map(({ id }) => Number(id));
        case 'check':
          probe.run();
          return undefined;
        default:
          return journal(job);
      }
    };
  },
};

function toOwedPush(row: Record<string, SQLOutputValue>): OwedPush {
  return {
    id: Number(row['id']),
    user: String(row['user']),
    subscriptionId: String(row['subscription_id']),
    endpoint: String(row['endpoint']),
    kind: row['kind'] as PushKind,
    payload: String(row['payload']),
    urgency: row['urgency'] as Urgency,
    createdAt: Number(row['created_at']),
    expiresAt: Number(row['expires_at']),
    dedupeKey: String(row['dedupe_key']),
    attempts: Number(row['attempts']),
    unanswered: Number(row['unanswered']),
    nextAttemptAt: Number(row['next_attempt_at']),
  };
}
