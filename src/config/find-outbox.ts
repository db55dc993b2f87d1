import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from './schema.ts';

const NAME = 'outbox.db';
/** Where the package has its state, and where the outbox was wherever the store was. */
const USUAL = `/var/lib/coi-sidecar/${NAME}`;

export interface OutboxPlace {
  path: string;
  /** What an administrator should know about it, one sentence. */
  note?: string;
}

/**
 * The file of the outbox: `outbox.path`, or else `outbox.db` beside the database that `store.url` names.
 * One that was begun when it did not follow `store.url` goes on being used, as it may owe pushes.
 *
 * @param exists whether there is such a file
 */
export function findOutbox(
  { store, outbox }: Pick<Config, 'store' | 'outbox'>,
  exists: (path: string) => boolean = existsSync,
): OutboxPlace {
  if (outbox.path !== '') return { path: outbox.path };
  const database = /^sqlite:(?:\/\/)?(\/.*)$/i.exec(store.url)?.[1];
  const path = database === undefined ? USUAL : join(dirname(database), NAME);
  if (path === USUAL || exists(path) || !exists(USUAL)) return { path };
  return {
    path: USUAL,
    note:
      `the outbox stays at ${USUAL}, where it was before it followed store.url: while the service is ` +
      `stopped, move it with its -wal and -shm files to ${dirname(path)}, or set outbox.path`,
  };
}
