import type { Readable } from 'node:stream';
import type { Input } from './door.ts';

/** Something that must not be. */
export class Finding extends Error {
  /** The same for the same fault, whatever the input: `http 500`, `log TypeError`. */
  readonly kind: string;
  /** Known where it was found while it was delivered. */
  input: Input | undefined;

  constructor(kind: string, detail: string) {
    super(`${kind}: ${detail.slice(0, 2_000)}`);
    this.name = 'Finding';
    this.kind = kind;
  }
}

/**
 * Kinds that are known and not yet mended, each with a word on why: they are counted, and do not fail a
 * run. To be empty.
 */
export const KNOWN: ReadonlyMap<string, string> = new Map();

/** What the words of an answer or of a log line never hold, unless a program slipped. */
const SLIPS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['TypeError', /\b(?:TypeError|RangeError|ReferenceError|SyntaxError|AssertionError)\b/],
  ['stack trace', /\n {4}at |\\n {4}at /],
  ['unhandled rejection', /unhandled ?rejection|uncaught ?exception/i],
  ['undefined', /\b(?:Cannot read properties|is not a function|is not iterable|\[object \w+\])/],
  ['unexpected error', /"msg":"unexpected error"|Maximum call stack|heap out of memory/],
  ['number out of range', /too large to be represented/],
];

/** @returns the kind of slip, if there is one */
export const findSlip = (text: string): string | undefined =>
  SLIPS.find(([, pattern]) => pattern.test(text))?.[0];

interface LogLine {
  level?: string;
  msg?: string;
  err?: { code?: string; stack?: string };
}

/** Errors of ours are said in one sentence; where their stack is logged as well, it is no slip. */
const OUR_CODES = new Set([
  'invalid_input',
  'not_found',
  'conflict',
  'unavailable',
  'doveadm_command',
]);

/** A line of the service's log: JSON, at a level that it may have, without a slip. */
export function judgeLogLine(line: string, secrets: readonly string[]): Finding | undefined {
  if (line === '') return undefined;
  const leaked = secrets.find((secret) => line.includes(secret));
  if (leaked !== undefined) return new Finding('secret in the log', line.replaceAll(leaked, '…'));
  let parsed: LogLine;
  try {
    parsed = JSON.parse(line) as LogLine;
  } catch {
    return new Finding(`log: ${findSlip(line) ?? 'no JSON'}`, line);
  }
  if (OUR_CODES.has(parsed.err?.code ?? '')) delete parsed.err?.stack;
  const slip = findSlip(JSON.stringify(parsed));
  if (slip !== undefined) return new Finding(`log: ${slip}`, line);
  if (typeof parsed.msg !== 'string' || /\bundefined\b|\bNaN\b/.test(parsed.msg)) {
    return new Finding('log: undefined', line);
  }
  return parsed.level === 'fatal' ? new Finding('log: fatal', line) : undefined;
}

/** Judges what a stream brings, line by line, and counts it; the first few findings are kept. */
export class LogJudge {
  readonly findings: Finding[] = [];
  lines = 0;
  octets = 0;
  /** The last lines, for the report of a death. */
  tail: string[] = [];
  #rest = '';

  /** @param line told of each, before it is judged */
  watch(stream: Readable, secrets: readonly string[], onLine: (line: string) => void): void {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      this.octets += chunk.length;
      const lines = (this.#rest + chunk).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) {
        this.lines += 1;
        this.tail.push(line.slice(0, 1_000));
        if (this.tail.length > 400) this.tail.shift();
        onLine(line);
        const finding = judgeLogLine(line, secrets);
        if (finding !== undefined && this.findings.length < 20) this.findings.push(finding);
      }
    });
  }
}
