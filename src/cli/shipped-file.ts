import { fileURLToPath } from 'node:url';

/** The package: `lua/` and `dovecot-conf/` stand in it, beside `src/` or `dist/`. */
const PACKAGE_ROOT = new URL('../../', import.meta.url);

/** Where a file of the package stands: `lua/coi.lua`. */
export const shippedFile = (name: string): string => fileURLToPath(new URL(name, PACKAGE_ROOT));
