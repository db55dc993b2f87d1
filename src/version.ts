import { readFileSync } from 'node:fs';

const packageFile = new URL('../package.json', import.meta.url);

/** The version of this program; `package.json` stands beside `src/` and beside `dist/`. */
export const VERSION = (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string })
  .version;
