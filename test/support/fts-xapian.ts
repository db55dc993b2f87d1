import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Debian's Dovecot 2.3 has its plugins. */
const MODULES = '/usr/lib/dovecot/modules';
const PLUGIN = 'lib21_fts_xapian_plugin.so';
/** Debian 12's packages dovecot-fts-xapian and libxapian30, unpacked with `dpkg -x`. */
const UNPACKED = join(homedir(), '.cache/coi-sidecar/fts-xapian');

/** Undefined where the plugin neither is installed nor lies unpacked in ~/.cache/coi-sidecar/fts-xapian. */
export type FtsXapian = { installed: boolean } | undefined;

export const ftsXapian: FtsXapian = existsSync(join(MODULES, PLUGIN))
  ? { installed: true }
  : existsSync(join(UNPACKED, MODULES, PLUGIN))
    ? { installed: false }
    : undefined;

/**
 * Settings of Dovecot 2.3 for full-text search with Xapian, as the plugin's README has them.
 *
 * @param dir for a directory of plugins, where Xapian's is not installed among Dovecot's own
 */
export async function ftsXapianSettings(
  found: NonNullable<FtsXapian>,
  dir: string,
): Promise<string> {
  const lines = [
    'mail_plugins = $mail_plugins fts fts_xapian',
    'plugin {',
    '  fts = xapian',
    '  fts_xapian = partial=3 full=20 verbose=0',
    '  fts_autoindex = no',
    '  fts_enforced = yes',
    '}',
    'service indexer-worker {',
    '  vsz_limit = 1G',
    '}',
  ];
  if (found.installed) return lines.join('\n');
  await mkdir(dir);
  for (const name of await readdir(MODULES)) await symlink(join(MODULES, name), join(dir, name));
  await symlink(join(UNPACKED, MODULES, PLUGIN), join(dir, PLUGIN));
  const libraries = join(UNPACKED, 'usr/lib/x86_64-linux-gnu');
  return [
    `mail_plugin_dir = ${dir}`,
    `import_environment = $import_environment LD_LIBRARY_PATH=${libraries}`,
    ...lines,
  ].join('\n');
}
