import { glob, readFile, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';

export interface ConfigFile {
  path: string;
  text: string;
}

/** More than any site has; a link that leads back to itself ends before. */
const MOST = 1_000;

/**
 * Dovecot's configuration as it lies on the disk: the file, and what it includes. What cannot be read from
 * here is left out.
 *
 * @see Dovecot src/config/config-parser.c, settings_include
 */
export async function readConfigFiles(main: string): Promise<ConfigFile[]> {
  const found = new Map<string, ConfigFile>();
  const waiting = [main];
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const real = await realpath(path).catch(() => '');
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined || found.has(real) || found.size >= MOST) continue;
    found.set(real, { path, text });
    for (const line of text.split('\n')) {
      const [directive = '', pattern = ''] = line.trim().split(/\s+/);
      if (directive !== '!include' && directive !== '!include_try') continue;
      const absolute = isAbsolute(pattern) ? pattern : join(dirname(path), pattern);
      for await (const one of glob(absolute)) waiting.push(one);
    }
  }
  return [...found.values()];
}
