import type { DatabaseSync } from 'node:sqlite';
import {
  exceeds,
  limitOf,
  scopeOf,
  type AnnotationLimits,
  type Excess,
  type Usage,
} from '../annotation-limits.ts';

/** Counts what one commit changes, within its transaction. */
export interface Counting {
  begin(): void;
  /** To be called before the change. @param octets of the new value; undefined when it is removed */
  note(user: string, key: string, octets: number | undefined): void;
  /** Brings the counters up to date, after all changes. @returns a scope that has outgrown its limit */
  settle(user: string, limits: AnnotationLimits): Excess | undefined;
  usage(user: string, scope: string): Usage;
}

/**
 * The counters of table `usage`. They change in the transaction of the entries and so are right after any
 * crash; a user without one, as after an upgrade, is counted through once.
 */
export function prepareCounting(db: DatabaseSync): Counting {
  const valueOctets = db.prepare(
    'SELECT length(value) AS octets FROM entries WHERE user = ? AND key = ?',
  );
  const find = db.prepare('SELECT entries, octets FROM usage WHERE user = ? AND scope = ?');
  const countThrough = db.prepare(
    'SELECT count(*) AS entries, ' +
      'coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) AS octets FROM entries ' +
      'WHERE user = ? AND (key = ? OR (key >= ? AND key < ?))',
  );
  const store = db.prepare(
    'INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT (user, scope) ' +
      'DO UPDATE SET entries = excluded.entries, octets = excluded.octets',
  );
  const remove = db.prepare('DELETE FROM usage WHERE user = ? AND scope = ?');
  const grown = new Map<string, Usage>();

  const toUsage = (row: Record<string, unknown> | undefined): Usage | undefined =>
    row && { entries: Number(row['entries']), octets: Number(row['octets']) };

  /** All keys of a scope stand between the slash behind it and the octet after a slash. */
  const counted = (user: string, scope: string): Usage | undefined =>
    toUsage(countThrough.get(user, scope, `${scope}/`, `${scope}0`));

  return {
    begin: () => grown.clear(),

    note(user, key, octets) {
      const scope = scopeOf(key);
      if (scope === undefined) return;
      const keyOctets = Buffer.byteLength(key);
      const old = valueOctets.get(user, key)?.['octets'];
      const sum = grown.get(scope) ?? { entries: 0, octets: 0 };
      if (typeof old === 'number') {
        sum.entries -= 1;
        sum.octets -= keyOctets + old;
      }
      if (octets !== undefined) {
        sum.entries += 1;
        sum.octets += keyOctets + octets;
      }
      grown.set(scope, sum);
    },

    settle(user, limits) {
      for (const [scope, delta] of grown) {
        if (delta.entries === 0 && delta.octets === 0) continue;
        const before = toUsage(find.get(user, scope));
        const after = before
          ? { entries: before.entries + delta.entries, octets: before.octets + delta.octets }
          : (counted(user, scope) ?? delta);
        if (exceeds(delta, after, limitOf(limits, scope))) return { scope, after };
        if (after.entries === 0) remove.run(user, scope);
        else store.run(user, scope, after.entries, after.octets);
      }
      return undefined;
    },

    usage: (user, scope) =>
      toUsage(find.get(user, scope)) ?? counted(user, scope) ?? { entries: 0, octets: 0 },
  };
}
