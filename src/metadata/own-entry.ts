/**
 * Whose key is it? Server annotations reach the dict below the GUID of the user's INBOX:
 *
 *     priv/6afb1c2a…/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/coi/config/enabled
 *
 * The GUID changes when INBOX is made anew, so COI's and WebPush's entries are kept by user alone,
 * under what follows the prefix. Everything else is none of our business and kept as it came.
 *
 * @see Dovecot src/lib-storage/mailbox-attribute.h, MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER
 */
const SERVER_ANNOTATION =
  /^priv\/[0-9a-f]{32}\/vendor\/vendor\.dovecot\/pvt\/server\/vendor\/vendor\.dovecot\/((?:coi|webpush)(?:\/.*)?)$/s;

/** `coi/config/enabled` for such a key, undefined for all others. */
export const ownEntry = (key: string): string | undefined => SERVER_ANNOTATION.exec(key)?.[1];

/** The key under which Dovecot asks for an own entry, for a user whose INBOX has that GUID. */
export const serverKey = (inbox: string, entry: string): string =>
  `priv/${inbox}/vendor/vendor.dovecot/pvt/server/vendor/vendor.dovecot/${entry}`;

const SERVER_PREFIX = /^priv\/[0-9a-f]{32}\/vendor\/vendor\.dovecot\/pvt\/server\//;

/**
 * What precedes an own entry's name in the keys that are asked for with this path, or undefined when
 * the path does not lead to server annotations.
 */
export function ownPrefix(path: string): string | undefined {
  const server = SERVER_PREFIX.exec(path)?.[0];
  return server === undefined ? undefined : `${server}vendor/vendor.dovecot/`;
}

/**
 * `shared/` keys are found under whatever user asks; they begin with a mailbox GUID, which is unique
 * in the world. They stand in the store under this name, which no user can have.
 */
export const SHARED_OWNER = '';

export const ownerOf = (user: string, key: string): string =>
  key.startsWith('shared/') ? SHARED_OWNER : user;

/**
 * Dovecot's keys all begin so (lib-dict/dict.h, DICT_PATH_PRIVATE and DICT_PATH_SHARED). What stands
 * in the store under other names, private keys among it, is nothing that a dict client may reach.
 */
export const isDictKey = (key: string): boolean => /^(?:priv|shared)\//.test(key);
