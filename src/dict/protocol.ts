import type { Clock } from '../clock.ts';
import { InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import type { Change, CommitResult, StoreEntry } from '../stores/store.ts';
import { checkUserName } from '../user-name.ts';
import type { DictBackend } from './dict-backend.ts';
import { DictProtocolError } from './dict-protocol-error.ts';
import { foundReply, plainReply, rowsReply } from './format-reply.ts';
import { OpenTransactions } from './open-transactions.ts';
import { parseRequest, transactionOfHead, type DictRequest, type Text } from './parse-request.ts';
import { PendingCommands, type DictObserver } from './pending-commands.ts';
import { RequestLines } from './request-lines.ts';
import { selectPages } from './select-pages.ts';
import type { TransactionBudget } from './transaction-budget.ts';

export interface DictSessionOptions {
  backend: DictBackend;
  clock: Clock;
  log: Logger;
  /** Takes replies as they become ready; several calls may follow each other at once. */
  send: (octets: Buffer) => void;
  observe?: DictObserver | undefined;
  /** What the open transactions of all connections share. */
  budget: TransactionBudget;
  /** Counts the commands of all connections; of this one alone unless given. */
  load?: DictLoad | undefined;
  /** See {@link PendingCommands}. */
  backlog?: (() => Promise<void> | undefined) | undefined;
  /** Milliseconds after which {@link DictSession.expire} answers in the backend's stead. */
  replyMsecs?: number | undefined;
}

export interface DictLoad {
  /** Commands that are not answered yet. */
  commands: number;
}

const NOTHING = Buffer.alloc(0);

type Of<Command extends DictRequest['command']> = Extract<DictRequest, { command: Command }>;

/** 2 is spoken by Dovecot up to 2.3.16, 3 up to 2.3.21, 4 from 2.4 on. */
const MAJOR_VERSIONS = { oldest: 2, newest: 4 };

/**
 * The server's side of one connection of Dovecot's dict protocol: octets in, octets out
 * (src/dict/dict-commands.c, dict-connection.c). The client says hello; the server must not, the
 * first line it sends is taken for a reply.
 *
 * Commands go to the backend in the order in which they came, without waiting for each other.
 */
export class DictSession {
  readonly #options: DictSessionOptions;
  readonly #load: DictLoad;
  readonly #lines: RequestLines;
  readonly #transactions: OpenTransactions;
  /** Undefined until the hello. */
  #commands: PendingCommands | undefined;
  /** For commands that name no user: before version 3 only the hello did. */
  #user = '';
  #inputEnded = false;
  /** What came and was not looked at. */
  #input: Buffer = NOTHING;
  /** Requests that were looked at. */
  #taken = 0;
  /** Octets of the transactions that the backend works on. */
  #committing = 0;

  constructor(options: DictSessionOptions) {
    this.#options = options;
    this.#load = options.load ?? { commands: 0 };
    this.#transactions = new OpenTransactions(
      {
        open: SOCKET_LIMITS.dictOpenTransactions,
        octets: SOCKET_LIMITS.dictTransactionOctets,
        allOctets: SOCKET_LIMITS.dictConnectionOctets,
      },
      options.budget,
    );
    this.#lines = new RequestLines({
      budget: options.budget,
      onLine: (line) => {
        this.#taken += 1;
        this.#take(parseRequest(line));
      },
      onRefused: (head, problem) => this.#refuse(head, problem),
    });
  }

  /** How many commands the backend works on. */
  get pending(): number {
    return this.#commands?.size ?? 0;
  }

  /** Octets that came and were not looked at. */
  get waitingOctets(): number {
    return this.#input.length;
  }

  /** Whether no more should be looked at until something is answered. */
  get full(): boolean {
    return (
      this.pending >= SOCKET_LIMITS.dictPendingCommands ||
      (this.#load.commands >= SOCKET_LIMITS.dictAllCommands &&
        this.pending >= SOCKET_LIMITS.dictReservedCommands) ||
      this.#committing >= SOCKET_LIMITS.dictConnectionOctets ||
      this.mustWait
    );
  }

  /** Whether that is because other connections have to make room first. */
  get mustWait(): boolean {
    return this.#options.budget.mustWait(this.#committing + this.#transactions.octets);
  }

  /** Whether the connection can be ended without losing anything. */
  get idle(): boolean {
    if (this.pending > 0 || this.#input.length > 0) return false;
    return this.#inputEnded || (this.#transactions.size === 0 && !this.#lines.midLine);
  }

  /**
   * Takes what came in, and looks at requests, also at those that came before.
   *
   * @param most at how many requests; the others wait
   * @returns at how many it looked
   * @throws DictProtocolError what came is not the dict protocol; the connection has to end
   */
  push(chunk: Buffer, most = Infinity): number {
    const all = join(this.#input, chunk);
    if (most === 0) {
      this.#input = all;
      return 0;
    }
    const before = this.#taken;
    this.#input = NOTHING;
    const rest = this.#lines.push(all, most);
    if (rest.length > 0) this.#input = rest;
    else if (this.#inputEnded) this.#dropUnfinished();
    return this.#taken - before;
  }

  /** Gives up on commands that the backend has held for too long; to be called now and then. */
  expire(): void {
    this.#commands?.expire();
  }

  /** The client will send no more: what it began and did not commit is dropped. */
  endInput(): void {
    this.#inputEnded = true;
    if (this.#input.length === 0) this.#dropUnfinished();
  }

  #dropUnfinished(): void {
    this.#lines.close();
    this.#transactions.clear();
  }

  /** The connection is gone: replies that are still under way go nowhere. */
  close(): void {
    this.#input = NOTHING;
    this.#dropUnfinished();
    this.#commands?.close();
  }

  #take(request: DictRequest): void {
    const commands = this.#commands;
    if (!commands) {
      this.#greet(request);
      return;
    }
    switch (request.command) {
      case 'lookup':
        this.#lookup(commands, request);
        break;
      case 'iterate':
        this.#iterate(commands, request);
        break;
      case 'begin':
        this.#begin(request);
        break;
      case 'set':
        this.#change(request, (key) => ({ op: 'set', key, value: checkValue(request.value) }));
        break;
      case 'unset':
        this.#change(request, (key) => ({ op: 'unset', key }));
        break;
      case 'increment':
        this.#change(request, (key) => ({ op: 'increment', key, by: request.by }));
        break;
      case 'commit':
        this.#commit(commands, request);
        break;
      case 'rollback':
        this.#transactions.end(request.id);
        break;
      case 'note':
        break;
      case 'hello':
        throw new DictProtocolError('a second hello');
    }
  }

  #greet(request: DictRequest): void {
    if (request.command !== 'hello') throw new DictProtocolError('no hello at first');
    const { major, minor, user } = request;
    if (major < MAJOR_VERSIONS.oldest || major > MAJOR_VERSIONS.newest) {
      throw new DictProtocolError(
        `protocol version ${major}; known are ${MAJOR_VERSIONS.oldest} to ${MAJOR_VERSIONS.newest}`,
      );
    }
    this.#user = user;
    const { clock, log, send, observe, replyMsecs, backlog } = this.#options;
    this.#commands = new PendingCommands({
      clock,
      log,
      send,
      observe,
      backlog,
      load: this.#load,
      reads: SOCKET_LIMITS.dictReads,
      modern: major >= 4 || minor >= 1,
      replyMsecs: replyMsecs ?? SOCKET_LIMITS.dictReplyMsecs,
    });
  }

  #lookup(commands: PendingCommands, request: Of<'lookup'>): void {
    const user = this.#userOf(request);
    commands.run({ command: 'lookup', user }, async () => {
      const value = await this.#options.backend.lookup(checkUser(user), checkKey(request.key));
      if (value === undefined) {
        return { result: 'missing', reply: (times) => plainReply('N', times) };
      }
      return { result: 'ok', reply: (times) => foundReply(value, times) };
    });
  }

  #iterate(commands: PendingCommands, { options, maxRows, ...request }: Of<'iterate'>): void {
    const user = this.#userOf(request);
    commands.run({ command: 'iterate', user }, async (sendPart) => {
      const path = checkKey(request.path);
      const pages = this.#options.backend.iterate(checkUser(user), path, options);
      const { noValue } = options;
      // One page behind: most have but one, and are answered at once.
      let rows: readonly StoreEntry[] = [];
      for await (const page of selectPages(pages, path, options, maxRows)) {
        if (rows.length > 0) await sendPart(rowsReply(rows, noValue));
        rows = page;
      }
      return { result: 'ok', reply: (times) => rowsReply(rows, noValue, times) };
    });
  }

  #begin({ id, expireSecs, ...request }: Of<'begin'>): void {
    // As Dovecot's own drivers that cannot: fail rather than keep for ever what was to expire.
    const problem = expireSecs > 0 ? 'values that expire are not supported' : undefined;
    this.#transactions.begin(id, this.#userOf(request), problem);
  }

  #change(request: { id: number; key: Text }, change: (key: string) => Change): void {
    try {
      this.#transactions.add(request.id, change(checkKey(request.key)));
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      this.#transactions.fail(request.id, error.message);
    }
  }

  #commit(commands: PendingCommands, request: Of<'commit'>): void {
    const transaction = this.#transactions.end(request.id);
    const user = transaction?.user;
    const failurePrefix = request.async ? 'A' : '';
    const failureHead = `${request.id}\t`;
    const octets = transaction?.octets ?? 0;
    // From now on, for it may have to wait for its turn.
    this.#count(octets);
    const onAbandoned = (): void => this.#count(-octets);
    const start = { user, failurePrefix, failureHead, onAbandoned };
    commands.run({ command: 'commit', ...start }, async () => {
      let result: CommitResult = 'committed';
      try {
        if (!transaction) throw noTransaction(request.id);
        if (transaction.problem !== undefined) throw new InvalidInputError(transaction.problem);
        if (transaction.changes.length > 0) {
          result = await this.#options.backend.commit(checkUser(user), transaction.changes);
        }
      } finally {
        this.#count(-octets);
      }
      const answer = `${failurePrefix}${result === 'missing' ? 'N' : 'O'}${request.id}`;
      return {
        result: result === 'missing' ? 'missing' : 'ok',
        reply: (times) => plainReply(answer, times),
      };
    });
  }

  #count(octets: number): void {
    this.#committing += octets;
    this.#options.budget.commit(octets);
  }

  #userOf({ user }: { user: Text }): Text {
    return user === '' ? this.#user : user;
  }

  #refuse(head: Buffer, problem: string): void {
    const id = transactionOfHead(head);
    const letter = head.toString('latin1', 0, 1);
    if (this.#commands && id !== undefined) {
      this.#transactions.fail(id, problem);
    } else if (this.#commands && (letter === 'L' || letter === 'I')) {
      const command = letter === 'L' ? 'lookup' : 'iterate';
      this.#commands.run({ command, user: undefined }, () => {
        throw new InvalidInputError(problem);
      });
    } else {
      throw new DictProtocolError(problem);
    }
  }
}

const noTransaction = (id: number): InvalidInputError =>
  new InvalidInputError(
    `no transaction ${id}: it was not begun, or dropped because too much was open; try again`,
  );

function checkUser(user: Text): string {
  if (user === undefined) throw new InvalidInputError('the user is not UTF-8');
  if (user === '') throw new InvalidInputError('no user was named');
  return checkUserName(user);
}

function checkKey(key: Text): string {
  if (key === undefined) throw new InvalidInputError('the key is not UTF-8');
  if (!key.startsWith('priv/') && !key.startsWith('shared/')) {
    throw new InvalidInputError('keys begin with priv/ or shared/');
  }
  return key;
}

/** Copies nothing where one of them is empty. */
function join(one: Buffer, other: Buffer): Buffer {
  if (one.length === 0) return other;
  return other.length === 0 ? one : Buffer.concat([one, other]);
}

function checkValue(value: Buffer): Buffer {
  const { dictValueOctets } = SOCKET_LIMITS;
  if (value.length > dictValueOctets) {
    throw new InvalidInputError(`the value is longer than ${dictValueOctets} octets`);
  }
  return value;
}
