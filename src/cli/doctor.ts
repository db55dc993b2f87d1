import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseListenAddress, type ListenAddress } from '../config/parse-listen-address.ts';
import { errorMessage, InvalidInputError } from '../errors.ts';
import { CONFIG_OPTION, DEFAULT_CONFIG_FILE, type Command, type CommandCall } from './command.ts';
import type { DoctorOptions } from './doctor/setup/setup.ts';
import { printJson } from './print-json.ts';

/** The environment's name of the scratch users' password: arguments are for everyone to see. */
const PASSWORD_VARIABLE = 'COI_DOCTOR_PASSWORD';

/** Longer than a push may take at its first attempt, retries included. */
const PATIENCE_MSECS = 15_000;

/** As monitoring plugins have them. */
const EXIT_CODES = { ok: 0, warning: 1, error: 2, unknown: 3 } as const;

/**
 * Examines the set-up as it is and says what to do. Exit code 0: all well; 1: warnings; 2: errors, or
 * called wrongly; 3: nothing wrong was found, but not all could be looked at.
 */
export const doctor: Command = {
  name: 'doctor',
  summary: 'examine the whole set-up, Dovecot included, and say what to do about each fault',
  usage:
    '[--config FILE] [--dovecot-config FILE] [--user USER]… [--password-file FILE] [--lmtp HOST:PORT] [--imap HOST:PORT] [--reach ORIGIN]… [--only CHECK]… [--brief | --json]',
  options: {
    ...CONFIG_OPTION,
    json: { type: 'boolean' },
    brief: { type: 'boolean' },
    'dovecot-config': { type: 'string' },
    user: { type: 'string', multiple: true },
    'password-file': { type: 'string' },
    lmtp: { type: 'string' },
    imap: { type: 'string' },
    reach: { type: 'string', multiple: true },
    only: { type: 'string', multiple: true },
  },
  run: async (call) => {
    const isBrief = call.values['brief'] === true;
    try {
      return await examine(call);
    } catch (error) {
      // Monitoring shows what is on standard output, and 2 would be a fault that was found.
      if (!isBrief) throw error;
      console.log(`UNKNOWN - coi-sidecar doctor: ${errorMessage(error)}`);
      return EXIT_CODES.unknown;
    }
  },
};

async function examine(call: CommandCall): Promise<number> {
  // Loaded when asked for: no other command needs as much.
  const { runDoctor } = await import('./doctor/run-doctor.ts');
  const { formatBrief, formatReport } = await import('./doctor/format-report.ts');
  const report = await runDoctor(await readOptions(call));
  if (call.values['json'] === true) printJson(report);
  else if (call.values['brief'] === true) console.log(formatBrief(report));
  else {
    const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
    console.log(formatReport(report, { colour }));
  }
  return EXIT_CODES[report.verdict];
}

async function readOptions({ values }: CommandCall): Promise<DoctorOptions> {
  return {
    configFile:
      text(values['config']) ?? (isThere(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined),
    dovecotConfig: text(values['dovecot-config']),
    users: list(values['user']),
    password: await readPassword(text(values['password-file'])),
    lmtp: address(text(values['lmtp'])),
    imap: address(text(values['imap'])),
    reach: list(values['reach']).map(origin),
    patienceMsecs: PATIENCE_MSECS,
    only: await known(list(values['only'])),
  };
}

/** Also where we may not look: others can tell what it is then. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

type Value = CommandCall['values'][string];

const text = (value: Value): string | undefined => (typeof value === 'string' ? value : undefined);
const list = (value: Value): string[] => (Array.isArray(value) ? value : []);
const address = (value: string | undefined): ListenAddress | undefined =>
  value === undefined ? undefined : parseListenAddress(value);

/** @returns undefined when there is none: doveadm takes the place of IMAP then */
async function readPassword(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env[PASSWORD_VARIABLE] || undefined;
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    throw new InvalidInputError(`cannot read the password: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function origin(value: string): string {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new InvalidInputError(`--reach ${value}: write it like https://push.example.org`);
  }
  return url.origin;
}

/** @throws InvalidInputError there is no such check */
async function known(names: readonly string[]): Promise<readonly string[]> {
  const { checks } = await import('./doctor/checks.ts');
  const all = checks.map(({ name }) => name);
  const unknown = names.find((name) => !all.includes(name));
  if (unknown === undefined) return names;
  throw new InvalidInputError(`there is no check "${unknown}"; there are: ${all.join(', ')}`);
}
