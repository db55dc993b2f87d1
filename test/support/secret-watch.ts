import childProcess, { ChildProcess } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
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

/**
 * The test's own server is told its password this way, which is no concern of the service's; and what is
 * exported is a user's own, all of it.
 */
const MAY_STAND = new Set(['arguments of redis-server', 'output of export']);
const mayStand = (where: string): boolean => MAY_STAND.has(where);

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
  type Spawn = (this: ChildProcess, options: { file: string; args: readonly string[] }) => unknown;
  const prototype = ChildProcess.prototype as unknown as { spawn: Spawn };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    watchShown(`arguments of ${basename(options.file)}`, options.args.join(' '));
    const result = spawn.call(this, options);
    watchOutput(this, options.args);
    return result;
  };
  // These make no ChildProcess.
  const synchronous = childProcess as unknown as Record<string, (...call: unknown[]) => unknown>;
  for (const name of ['spawnSync', 'execFileSync', 'execSync']) {
    const real = synchronous[name];
    if (real === undefined) throw new Error(`node:child_process has no ${name}`);
    synchronous[name] = (file, args, ...rest) => {
      const listed = Array.isArray(args) ? args.join(' ') : '';
      watchShown(`arguments of ${basename(String(file))}`, `${String(file)} ${listed}`);
      return real(file, args, ...rest);
    };
  }
  syncBuiltinESMExports();
}

/** What our own command line prints, for whoever reads the terminal or the mail of cron. */
function watchOutput({ stdout, stderr }: ChildProcess, args: readonly string[]): void {
  const at = args.findIndex((arg) => /(?:^|\/)main\.[tj]s$/.test(arg));
  const command = args[at + 1];
  // Of the service itself, its log is watched.
  if (at < 0 || command === undefined || command === 'serve') return;
  for (const stream of [stdout, stderr]) {
    if (stream === null) continue;
    const parts: Buffer[] = [];
    // A listener would have it flow before the test has one.
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (Buffer.isBuffer(chunk)) parts.push(Buffer.from(chunk));
      return push(chunk, encoding);
    };
    watchShown(`output of ${command}`, () => Buffer.concat(parts).toString());
  }
}

/** Error answers, and pages that hold figures. */
function watchAnswers(): void {
  const real = globalThis.fetch;
  globalThis.fetch = async (...call) => {
    const response = await real(...call);
    const { pathname } = new URL(response.url);
    if (isWatched(response.status, pathname)) {
      const read = (text: string): void => watchAnswer(response.status, pathname, text);
      response
        .clone()
        .text()
        .then(read, () => undefined);
    }
    return response;
  };
}

/** The same of requests that go to fastify without a socket. */
function watchInjected(): void {
  type Answer = { statusCode: number; body: string; raw: { req: { url?: string } } };
  const fastify = createRequire(createRequire(import.meta.url).resolve('fastify'));
  const path = fastify.resolve('light-my-request');
  const real = fastify(path) as (...call: unknown[]) => unknown;
  const watch = ({ statusCode, body, raw }: Answer): void => {
    const { pathname } = new URL(raw.req.url ?? '/', 'http://localhost');
    if (isWatched(statusCode, pathname)) watchAnswer(statusCode, pathname, body);
  };
  const watching = (...call: unknown[]): unknown => {
    const chain = real(...call) as PromiseLike<Answer>;
    const then = chain.then.bind(chain);
    // The request goes out when it is asked for the answer, and once.
    chain.then = (onAnswer, onError) =>
      then((answer) => {
        watch(answer);
        return onAnswer?.(answer) as never;
      }, onError);
    return chain;
  };
  const loaded = fastify.cache[path];
  if (loaded === undefined) throw new Error('fastify does not use light-my-request');
  loaded.exports = Object.assign(watching, real);
}

const isWatched = (status: number, path: string): boolean => status >= 400 || PAGES.has(path);

const watchAnswer = (status: number, path: string, text: string): void =>
  watchShown(`answer ${status} of ${path}`, text);

if (isMainThread) {
  watchArguments();
  watchAnswers();
  watchInjected();
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
