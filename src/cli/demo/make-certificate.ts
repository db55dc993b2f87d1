import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnavailableError } from '../../errors.ts';
import { runCommand } from './run-command.ts';

export interface Certificate {
  key: string;
  /** Signed by itself: also the authority to trust. */
  cert: string;
}

/**
 * A certificate for `localhost` and 127.0.0.1, valid for two days, made by the `openssl` command.
 *
 * @throws UnavailableError openssl is missing
 */
export async function makeCertificate(): Promise<Certificate> {
  const dir = await mkdtemp(join(tmpdir(), 'coi-cert-'));
  try {
    const config = join(dir, 'openssl.cnf');
    await writeFile(config, OPENSSL_CONFIG);
    const files = { key: join(dir, 'key.pem'), cert: join(dir, 'cert.pem') };
    const made = await runCommand('openssl', [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' '),
      ...['-config', config, '-keyout', files.key, '-out', files.cert],
    ]);
    if (made.exitCode !== 0) throw new UnavailableError(`openssl failed: ${made.stderr}`);
    return { key: await readFile(files.key, 'utf8'), cert: await readFile(files.cert, 'utf8') };
  } finally {
    await rm(dir, { recursive: true });
  }
}

const OPENSSL_CONFIG = `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
basicConstraints = critical, CA:true
`;
