import { setImmediate } from 'node:timers/promises';
import { DamagedError } from './damaged-error.ts';
import type { Store } from './store.ts';
import type { UserFilter } from './user-filter.ts';

/** Users looked at before others have their turn. */
const AT_A_TIME = 50;

/** The store, with every user who sets a key with one of these prefixes added to the filter first. */
export function noteUsers(store: Store, filter: UserFilter, prefixes: readonly string[]): Store {
  return {
    kind: store.kind,
    get: (user, key) => store.get(user, key),
    list: (user, prefix) => store.list(user, prefix),
    pages: (user, prefix, options) => store.pages(user, prefix, options),
    usage: (user, scope) => store.usage(user, scope),
    commit: async (user, changes) => {
      const matters = changes.some(
        ({ op, key }) =>
          (op === 'set' || op === 'increment') && prefixes.some((prefix) => key.startsWith(prefix)),
      );
      if (matters) await filter.add(user);
      const result = await store.commit(user, changes);
      // The filter may have begun anew meanwhile, without this user of whom nothing was stored yet.
      if (matters) await filter.add(user);
      return result;
    },
    users: () => store.users(),
    scrub: () => store.scrub(),
    check: () => store.check(),
    close: () => store.close(),
  };
}

/** Adds all users who have such keys by now. */
export async function addStoredUsers(
  store: Store,
  filter: UserFilter,
  prefixes: readonly string[],
): Promise<void> {
  let looked = 0;
  for await (const user of store.users()) {
    if (await mayMatter(store, user, prefixes)) await filter.add(user);
    looked += 1;
    if (looked % AT_A_TIME === 0) await setImmediate();
  }
}

/** So may whoever's entries are damaged; all others are none the worse for it. */
async function mayMatter(
  store: Store,
  user: string,
  prefixes: readonly string[],
): Promise<boolean> {
  try {
    for (const prefix of prefixes) {
      if ((await store.list(user, prefix)).length > 0) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof DamagedError) return true;
    throw error;
  }
}
