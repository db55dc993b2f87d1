import { readFile } from 'node:fs/promises';

/**
 * A setting's value as Dovecot has it: `</etc/dovecot/coi/token` is the content of that file. coi.lua
 * and the API drop the line end behind it.
 *
 * @returns undefined when it is not set, or its file cannot be read from here
 */
export async function readSecret(value: string | undefined): Promise<string | undefined> {
  if (value === undefined || value === '') return undefined;
  if (!value.startsWith('<')) return value.trimEnd();
  return readFile(value.slice(1), 'utf8').then(
    (text) => text.trimEnd(),
    () => undefined,
  );
}
