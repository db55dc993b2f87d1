/**
 * Whether a user database is sure to list its users. SQL and LDAP do with a query that stands in a file of
 * theirs, and a passwd-file with a variable in its path is many files.
 *
 * @param place of a passwd-file, with its options
 * @see Dovecot src/auth/userdb-passwd-file.c, userdb_passwd_file_iterate_init
 */
export const listsUsers = (driver: string, place: string): boolean =>
  driver === 'passwd' || (driver === 'passwd-file' && !/%[^%]/.test(place));
