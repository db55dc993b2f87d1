import { ChildProcess } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { leaves } from '../../src/config/schema.ts';

/*
 * Whatever the parts in test/support make that is secret is told to this file, and so is whatever the
 * service shows: when a test file's process ends, no secret may stand in anything that was shown. None of
 * the tests has to ask for it.
 */

/** What it is; the first four as `sensitive` options are called in the configuration. */
export type SecretKind =
  (string & {}) | 'auth secret' | 'push endpoint' | 'validation text' | 'VAPID private key';

export interface Shown {
  /** `log of the service`, `arguments of doveadm`, `answer 401 of /v1/events` … */
  where: string;
  text: () => string;
}

export interface Leak {
  kind: SecretKind;
  where: string;
  /** What stands around it, every secret masked. */
  around: string;
}

/** Shorter ones stand anywhere by chance, and so do the words that configurations of tests have. */
const LEAST_LENGTH = 12;
/** Pages that are not errors, and have no secrets either. */
const PAGES = new Set(['/metrics', '/healthz', '/readyz', '/', '/v1/outbox', '/v1/throttled']);

const secrets = new Map<string, SecretKind>();
const shown: Shown[] = [];

export function registerSecret(kind: SecretKind, ...forms: readonly string[]): void {
  for (const form of forms) if (form.length >= LEAST_LENGTH) secrets.set(form, kind);
}

/** Octets, in the ways in which they are written. */
export function registerSecretOctets(kind: SecretKind, octets: Uint8Array): void {
  const buffer = Buffer.from(octets);
  const forms = (['base64url', 'base64', 'hex'] as const).map((form) => buffer.toString(form));
  registerSecret(kind, ...forms);
}

/** The part of a private key that makes it one. */
export function registerPrivateKey(key: KeyObject): void {
  const { d = '' } = key.export({ format: 'jwk' });
  registerSecretOctets('VAPID private key', Buffer.from(d, 'base64url'));
  // PEM and DER in base64 begin with what all keys of the curve have.
  registerSecret(
    'VAPID private key',
    key.export({ format: 'pem', type: 'pkcs8' }).split('\n')[2] ?? '',
  );
}

/** Who knows more of it than the push service's name can push. */
export function registerSubscription(resource: { endpoint: string; keys: { auth: string } }): void {
  const { host, pathname } = new URL(resource.endpoint);
  registerSecret('push endpoint', host + pathname);
  if (pathname.length >= LEAST_LENGTH) registerSecret('push endpoint', pathname);
  registerSecret('auth secret', resource.keys.auth);
}

/** All that the schema calls sensitive. */
export function registerConfiguration(config: Record<string, Record<string, unknown>>): void {
  for (const [path, { sensitive }] of leaves) {
    const [section = '', key = ''] = path.split('.');
    const value = config[section]?.[key];
    if (sensitive !== true || typeof value !== 'string') continue;
    if (!path.endsWith('url')) registerSecret(path, value);
    else if (URL.canParse(value)) {
      const { password } = new URL(value);
      registerSecret(`password in ${path}`, password, decodeURIComponent(password));
    }
  }
}

/** @param text asked for when the process ends, so that all of it is there */
export function watchShown(where: string, text: string | (() => string)): void {
  shown.push({ where, text: typeof text === 'string' ? () => text : text });
}

/** A directory of rawlogs as it is now. */
export function watchRawlogs(dir: string): void {
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.log')) watchShown(`rawlog`, readFileSync(join(dir, name), 'utf8'));
  }
}

/** The test's own server is told its password this way, which is no concern of the service's. */
const mayStand = (where: string): boolean => where === 'arguments of redis-server';

export function findLeaks(
  known: ReadonlyMap<string, SecretKind>,
  outputs: readonly Shown[],
): Leak[] {
  const leaks = new Map<string, Leak>();
  for (const { where, text: read } of outputs) {
    const text = read();
    for (const [secret, kind] of known) {
      const at = text.indexOf(secret);
      if (at < 0 || mayStand(where)) continue;
      let around = text.slice(Math.max(0, at - 120), at + secret.length + 60);
      for (const one of known.keys()) around = around.replaceAll(one, '…');
      leaks.set(`${kind} ${where}`, { kind, where, around });
    }
  }
  return [...leaks.values()];
}

/** What is sent to children as arguments stands in /proc for everybody. */
function watchArguments(): void {
  type Spawn = (options: { file: string; args: readonly string[] }) => unknown;
  const prototype = ChildProcess.prototype as unknown as { spawn: Spawn };
  const { spawn } = prototype;
  prototype.spawn = function (this: ChildProcess, options) {
    watchShown(`arguments of ${basename(options.file)}`, options.args.join(' '));
    return spawn.call(this, options);
  };
}

/** Error answers, and pages that hold figures. */
function watchAnswers(): void {
  const real = globalThis.fetch;
  globalThis.fetch = async (...call) => {
    const response = await real(...call);
    const { pathname } = new URL(response.url);
    if (response.status >= 400 || PAGES.has(pathname)) {
      const read = (text: string): void =>
        watchShown(`answer ${response.status} of ${pathname}`, text);
      response
        .clone()
        .text()
        .then(read, () => undefined);
    }
    return response;
  };
}

if (isMainThread) {
  watchArguments();
  watchAnswers();
  process.once('exit', () => {
    const leaks = findLeaks(secrets, shown);
    for (const { kind, where, around } of leaks) {
      console.error(`a secret was shown: ${kind} in the ${where}: ${JSON.stringify(around)}`);
    }
    if (leaks.length > 0) {
      console.error(`in the tests of ${basename(process.argv[1] ?? '')}`);
      process.exitCode = 1;
    }
    if (process.env['COI_TEST_SECRETS'] !== undefined) {
      console.error(`${secrets.size} secrets looked for in ${shown.length} texts`);
    }
  });
}
