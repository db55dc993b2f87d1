import { chmod, chown, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { UnavailableError } from '../../errors.ts';
import { LUA_SCRIPTS } from '../lua-scripts.ts';
import type { DovecotConfigInput } from './dovecot-config.ts';
import type { DovecotRelease } from './dovecot-release.ts';
import { renderSecretFiles } from './render-secret-files.ts';
import { runCommand } from './run-command.ts';

/** The package: `lua/` and `dovecot-conf/` stand in it, beside `src/` or `dist/`. */
const PACKAGE_ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Does what an admin does: copies the snippets to conf.d and the scripts to /etc/dovecot/coi (here:
 * `layout.coiDir`), writes the secrets, compiles Sieve. Makes the directories that packages make.
 */
export async function writeDovecotFiles(
  input: DovecotConfigInput,
  release: DovecotRelease,
): Promise<void> {
  const { layout, accounts, sidecar } = input;
  const shipped = join(PACKAGE_ROOT, 'dovecot-conf');
  const binDir = join(layout.coiDir, 'bin');
  await chmod(layout.dir, 0o711);
  for (const dir of [layout.mailDir, binDir, layout.sieveSocketDir, layout.eventsDir]) {
    await mkdir(dir, { recursive: true });
  }
  if (userInfo().uid === 0) await chown(layout.mailDir, accounts.mailUid, accounts.mailGid);
  // As the package makes it; the mail's group is here what coi-mail is for an admin.
  await chmod(layout.eventsDir, 0o710);
  if (userInfo().uid === 0) await chown(layout.eventsDir, 0, accounts.mailGid);

  for (const path of input.snippets) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const text = await readFile(join(shipped, release.version, name), 'utf8');
    await writeFile(path, text.replaceAll('/etc/dovecot/coi/', `${layout.coiDir}/`));
  }
  for (const { name, text, forMailUsers } of renderSecretFiles(input, release.version)) {
    const path = join(layout.coiDir, name);
    await writeFile(path, text, { mode: forMailUsers ? 0o640 : 0o600 });
    if (forMailUsers && userInfo().uid === 0) await chown(path, 0, accounts.mailGid);
  }
  for (const name of LUA_SCRIPTS) {
    await copyFile(join(PACKAGE_ROOT, 'lua', name), join(layout.coiDir, name));
  }
  await copyFile(join(shipped, 'sieve', 'coi.sieve'), join(layout.coiDir, 'coi.sieve'));
  await copyFile(join(shipped, 'sieve-bin', 'coi-classify'), join(binDir, 'coi-classify'));
  await chmod(join(binDir, 'coi-classify'), 0o755);
  await writeFile(
    join(layout.coiDir, 'classify.conf'),
    `COI_SIDECAR_URL=${sidecar.url}\nCOI_SIDECAR_TOKEN=${sidecar.token}\n`,
  );

  const owner = `${accounts.mailUid}:${accounts.mailGid}`;
  await writeFile(
    join(layout.dir, 'users'),
    (input.users ?? [])
      .map((user) => `${user}:{PLAIN}${input.password}:${owner}::${layout.mailDir}/${user}::\n`)
      .join(''),
  );
  await writeFile(layout.configFile, release.renderConfig(input));

  if (input.roads.classify !== 'none') {
    const script = join(layout.coiDir, 'coi.sieve');
    const sievec = await runCommand(
      ...release.commandLine('sievec', ['-c', layout.configFile, script]),
    );
    if (sievec.exitCode !== 0) {
      throw new UnavailableError(`sievec refused coi.sieve: ${sievec.stderr}`);
    }
  }
}
