import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { parseCall, type Command } from '../../src/cli/command.ts';
import { watchShown } from '../support/secret-watch.ts';

/** Runs a command in this process and gives what it printed; what it throws is for `main.ts` to say. */
export async function runInProcess(
  command: Command,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const printed = { stdout: '', stderr: '' };
  const take =
    (where: 'stdout' | 'stderr') =>
    (text: unknown): void => {
      printed[where] += `${String(text)}\n`;
    };
  const mocks = [
    mock.method(console, 'log', take('stdout')),
    mock.method(console, 'error', take('stderr')),
  ];
  try {
    return { code: await command.run(parseCall(command, args)), ...printed };
  } finally {
    for (const one of mocks) one.mock.restore();
    watchShown(`output of ${command.name}`, printed.stdout + printed.stderr);
  }
}

export interface ConfigFile extends AsyncDisposable {
  dir: string;
  path: string;
}

/** A configuration for a service at `listen`; JSON is YAML. */
export async function writeConfig(
  listen: string,
  adminToken: string,
  doveadm = { url: 'http://127.0.0.1:1/doveadm/v1', api_key: 'key' },
): Promise<ConfigFile> {
  const dir = await mkdtemp(join(tmpdir(), 'coi-cli-'));
  const path = join(dir, 'coi-sidecar.yaml');
  const http = { listen, token: 'the-token-of-dovecot', admin_token: adminToken };
  await writeFile(path, JSON.stringify({ http, doveadm }));
  return { dir, path, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}
