import { Pool } from 'undici';
import type { Config } from '../config/schema.ts';
import { errorMessage, SidecarError, UnavailableError } from '../errors.ts';
import { UntrustedPeerError } from '../peer/check-peer.ts';
import { createCheckedConnector, type HttpPlace } from '../peer/checked-connector.ts';
import { checkUserName } from '../user-name.ts';
import { sayAskingDovecot } from './asking-dovecot.ts';

/**
 * What requests are counted as: by their first command. `list` stands for the question what the API can do,
 * and so whether it is there; `other` for commands that are not named here.
 */
export const DOVEADM_REQUESTS = [
  ...(['fetch', 'flagsAdd', 'list', 'move', 'user', 'mailboxCreate', 'mailboxDelete'] as const),
  ...(['mailboxRename', 'mailboxStatus', 'mailboxSubscribe', 'mailboxMetadataGet'] as const),
  ...(['mailboxMetadataList', 'mailboxMetadataSet', 'mailboxMetadataUnset', 'other'] as const),
] as const;
type DoveadmRequest = (typeof DOVEADM_REQUESTS)[number];

export const DOVEADM_RESULTS = ['ok', 'refused', 'failed'] as const;
type DoveadmResult = (typeof DOVEADM_RESULTS)[number];

/** One command of the doveadm HTTP API, named as there (`mailboxCreate`, `fetch` …). */
export interface DoveadmCommand {
  name: string;
  parameters: Readonly<Record<string, string | boolean | readonly string[]>>;
}

/** The rows that a command printed. */
export type DoveadmRow = Readonly<Record<string, string>>;

/** doveadm answered and refused; `exitCode` follows sysexits.h. */
export class DoveadmCommandError extends SidecarError {
  readonly exitCode: number;

  constructor(command: DoveadmCommand, type: string, exitCode: number) {
    const how = type === 'exitCode' ? `exit code ${exitCode}` : type;
    super('doveadm_command', `doveadm ${command.name} failed with ${how}; Dovecot's log says why`);
    this.exitCode = exitCode;
  }
}

/** sysexits.h, as doveadm uses them. */
export const EXIT_CODES = {
  /** The thing exists already. */
  dataError: 65,
  noSuchUser: 67,
  /** A mailbox, message or attribute does not exist. */
  notFound: 68,
  temporaryFailure: 75,
  noPermission: 77,
} as const;

/**
 * Whether doveadm failed for a reason that may be over in a moment: the user database is not up yet. It
 * says the same of a user whose mail will stay out of reach.
 *
 * @see Dovecot src/doveadm/doveadm-mail.c, doveadm_mail_cmd_exec
 */
export const isTemporary = (error: unknown): boolean =>
  error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.temporaryFailure;

/**
 * Whether doveadm said that there is no such user, be it for the reason of another error. A userdb that could
 * not be asked is told from one that does not know the user.
 *
 * @see Dovecot src/doveadm/doveadm-mail.c, doveadm_mail_cmd_exec
 */
export const isNoSuchUser = (error: unknown): boolean =>
  [error, error instanceof Error && error.cause].some(
    (one) => one instanceof DoveadmCommandError && one.exitCode === EXIT_CODES.noSuchUser,
  );

export interface DoveadmClientOptions {
  /** `http://…/doveadm/v1`, or `unix:/run/dovecot/http`. */
  url: string;
  /** Asked for with each request, as the next. */
  readonly apiKey: string;
  /** Whose processes may listen there besides root's and our own user's: names or uids. */
  readonly trustedUsers?: readonly string[];
  /** Milliseconds that one request may take. */
  timeout: number;
  /** Told of each request: the first command's name, seconds, and whether it succeeded. */
  observe?: (request: DoveadmRequest, seconds: number, result: DoveadmResult) => void;
}

export interface DoveadmClient {
  /**
   * Runs one command.
   *
   * @throws InvalidInputError it names a user of whom doveadm would make many; nothing was sent
   * @throws DoveadmCommandError doveadm refused
   * @throws UnavailableError Dovecot does not answer, or not in time
   */
  run(command: DoveadmCommand): Promise<DoveadmRow[]>;

  /**
   * Runs several in their order, in one request as long as it takes them; a refused one does not stop
   * those behind it.
   */
  runAll(commands: readonly DoveadmCommand[]): Promise<(DoveadmRow[] | DoveadmCommandError)[]>;

  /**
   * @returns what Dovecot's clock says, in milliseconds since the epoch, if it says so
   * @throws UnavailableError, saying what to do
   */
  check(): Promise<number | undefined>;

  /** Waits for what is under way, for a few seconds. */
  close(): Promise<void>;
}

/** Requests beyond these wait: each costs Dovecot a doveadm-server process. */
const CONNECTIONS = 8;

const CLOSE_GRACE_MSECS = 5_000;
/** Dovecot 2.3 answers 413 to a body of more than 1 MiB. */
const MAX_BODY_OCTETS = 524_288;

/** A client as the configuration says, and `more`. */
export const openDoveadm = (
  config: Config['doveadm'],
  more: Pick<DoveadmClientOptions, 'observe'> & { timeout?: number } = {},
): DoveadmClient =>
  createDoveadmClient({
    url: config.url,
    timeout: config.timeout,
    ...more,
    get apiKey() {
      return config.api_key;
    },
    get trustedUsers() {
      return config.trusted_users;
    },
  });

/**
 * A client of Dovecot's doveadm HTTP API. The key opens everybody's mail, so it is checked who listens
 * before it is sent.
 *
 * @see Dovecot src/doveadm/client-connection-http.c
 */
export function createDoveadmClient(options: DoveadmClientOptions): DoveadmClient {
  const { place, path, where } = placeOf(options.url);
  const pool = new Pool(place.origin, {
    ...{ connections: CONNECTIONS, pipelining: 1 },
    connect: createCheckedConnector(place, () => options.trustedUsers ?? []),
  });

  async function post(commands: readonly DoveadmCommand[]): Promise<unknown[]> {
    const answers: unknown[] = [];
    for (const entries of batches(commands)) {
      const { text } = await request('POST', `[${entries.join(',')}]`);
      const answer: unknown = JSON.parse(text);
      if (!Array.isArray(answer) || answer.length !== entries.length) {
        throw new UnavailableError(
          'the doveadm API gave an answer that is not one entry a command',
        );
      }
      answers.push(...(answer as unknown[]));
    }
    return answers;
  }

  async function request(
    method: 'GET' | 'POST',
    body?: string,
  ): Promise<{ text: string; date: number }> {
    sayAskingDovecot();
    const signal = AbortSignal.timeout(options.timeout);
    const authorization = `X-Dovecot-API ${Buffer.from(options.apiKey).toString('base64')}`;
    const {
      statusCode,
      headers,
      body: answer,
    } = await pool.request({
      method,
      path,
      headers: { authorization, 'content-type': 'application/json' },
      body: body ?? null,
      signal,
    });
    const text = await answer.text();
    if (statusCode === 200) return { text, date: Date.parse(String(headers['date'])) };
    throw new UnavailableError(
      statusCode === 401 || statusCode === 403
        ? `the doveadm API at ${where} refused our key (${statusCode}); doveadm.api_key must equal Dovecot's doveadm_api_key`
        : `the doveadm API at ${where} answered ${statusCode}`,
    );
  }

  async function observed<T>(name: string, work: () => Promise<T>): Promise<T> {
    const request = DOVEADM_REQUESTS.find((known) => known === name) ?? 'other';
    const started = performance.now();
    const done = (result: DoveadmResult): void =>
      options.observe?.(request, (performance.now() - started) / 1_000, result);
    try {
      const value = await work();
      const refused =
        Array.isArray(value) && value.some((one) => one instanceof DoveadmCommandError);
      done(refused ? 'refused' : 'ok');
      return value;
    } catch (error) {
      done('failed');
      if (error instanceof UntrustedPeerError) {
        throw new UnavailableError(
          `the doveadm API at ${where} is not asked: ${error.message}. If it is Dovecot, name its user in doveadm.trusted_users`,
          { cause: error },
        );
      }
      if (error instanceof SidecarError) throw error;
      throw new UnavailableError(
        `the doveadm API at ${where} does not answer (${errorMessage(error)}); is Dovecot running with a listener for doveadm there?`,
        { cause: error },
      );
    }
  }

  const runAll: DoveadmClient['runAll'] = async (commands) => {
    for (const command of commands) checkUser(command);
    const [first] = commands;
    if (first === undefined) return [];
    return observed(first.name, async () =>
      (await post(commands)).map((answer, index) =>
        readAnswer(answer, commands[index] as DoveadmCommand),
      ),
    );
  };

  return {
    runAll,
    run: async (command) => {
      const [rows] = await runAll([command]);
      if (rows instanceof DoveadmCommandError) throw rows;
      return rows ?? [];
    },
    check: async () => {
      const { date } = await observed('list', () => request('GET'));
      return Number.isNaN(date) ? undefined : date;
    },
    close: async () => {
      const cutOff = setTimeout(() => void pool.destroy(), CLOSE_GRACE_MSECS);
      await pool.close().finally(() => clearTimeout(cutOff));
    },
  };
}

/** The last look before a command leaves: every door has looked as well. */
function checkUser({ parameters: { user, userMask } }: DoveadmCommand): void {
  for (const name of [user ?? [], userMask ?? []].flat()) checkUserName(String(name));
}

/**
 * A unix socket speaks HTTP if its file is named `http` (2.3), or has the type http (2.4).
 *
 * @see Dovecot src/doveadm/main.c, client_connected
 */
function placeOf(url: string): { place: HttpPlace; path: string; where: string } {
  if (url.startsWith('unix:')) {
    const socketPath = url.slice('unix:'.length);
    return { place: { origin: 'http://doveadm', socketPath }, path: API_PATH, where: socketPath };
  }
  const { origin, pathname } = new URL(url);
  return { place: { origin }, path: pathname, where: origin };
}

const API_PATH = '/doveadm/v1';

/** The commands as JSON, a list for each request: `["fetch",{"user":"alice", …},"0"]` */
function batches(commands: readonly DoveadmCommand[]): string[][] {
  let batch: string[] = [];
  const all = [batch];
  let octets = 0;
  for (const [index, { name, parameters }] of commands.entries()) {
    const entry = JSON.stringify([name, parameters, String(index)]);
    const more = Buffer.byteLength(entry) + 1;
    octets += more;
    if (octets > MAX_BODY_OCTETS && batch.length > 0) {
      batch = [];
      all.push(batch);
      octets = more;
    }
    batch.push(entry);
  }
  return all;
}

/** `["doveadmResponse",[…rows],"tag"]` or `["error",{"type":"exitCode","exitCode":68},"tag"]`. */
function readAnswer(answer: unknown, command: DoveadmCommand): DoveadmRow[] | DoveadmCommandError {
  const [kind, content] = answer as [string, unknown];
  if (kind === 'doveadmResponse') return content as DoveadmRow[];
  const { type = 'unknown error', exitCode = 0 } = content as { type?: string; exitCode?: number };
  return new DoveadmCommandError(command, type, exitCode);
}
