import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  /** The authority, to be trusted. */
  ca: string;
  /** A server's, signed by it. */
  key: string;
  cert: string;
  /** Of another authority that nobody trusts, for the same names. */
  untrusted: { key: string; cert: string };
  /** Of the trusted authority, for another name. */
  otherName: { key: string; cert: string };
}

const NAMES = 'DNS:localhost,DNS:*.push.test,DNS:proxy.test,IP:127.0.0.1,IP:127.0.0.2,IP:::1';

let made: Certificates | undefined;

/** Certificates for `localhost`, `*.push.test`, `proxy.test` and loopback; made once a process by openssl. */
export function makeCertificates(): Certificates {
  made ??= make();
  return made;
}

function make(): Certificates {
  const dir = mkdtempSync(join(tmpdir(), 'coi-certificates-'));
  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string): void => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
    openssl('req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, ...files);
  };
  const server = (name: string, by: string, names: string): { key: string; cert: string } => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.csr`];
    openssl('req', ...newKey, '-subj', `/CN=${name}`, ...files);
    writeFileSync(join(dir, `${name}.ext`), `subjectAltName=${names}\n`);
    openssl(
      ...['x509', '-req', '-days', '2', '-in', `${name}.csr`, '-extfile', `${name}.ext`],
      ...['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-out', `${name}.pem`],
    );
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
  };
  const read = (file: string): string => readFileSync(join(dir, file), 'utf8');
  try {
    authority('trusted');
    authority('stranger');
    return {
      ca: read('trusted.pem'),
      ...server('server', 'trusted', NAMES),
      untrusted: server('untrusted', 'stranger', NAMES),
      otherName: server('other', 'trusted', 'DNS:other.test'),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
