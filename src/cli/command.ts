import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { InvalidInputError } from '../errors.ts';

/** One word of the command line: `coi-sidecar <name> …`. */
export interface Command {
  name: string;
  /** One line, for the list of commands. */
  summary: string;
  /** What follows the name, for `--help`. */
  usage: string;
  options: ParseArgsOptionsConfig;
  /** How many positional arguments it takes. */
  positionals?: { least: number; most: number };
  /** Resolves to the exit code. */
  run: (call: CommandCall) => Promise<number>;
}

export interface CommandCall {
  /** Options that may be given several times are lists. */
  values: Record<string, string | boolean | string[] | undefined>;
  positionals: string[];
}

/** Most commands read the configuration. */
export const CONFIG_OPTION = { config: { type: 'string', short: 'c' } } as const;

/** Where Debian's package puts it; used when it exists and `--config` is not given. */
export const DEFAULT_CONFIG_FILE = '/etc/coi-sidecar/coi-sidecar.yaml';

/** @throws InvalidInputError naming the argument that is wrong */
export function parseCall(command: Command, args: readonly string[]): CommandCall {
  const { least, most } = command.positionals ?? { least: 0, most: 0 };
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new InvalidInputError(`${(error as Error).message}\n${usageOf(command)}`, {
      cause: error,
    });
  }
  const { values, positionals } = parsed;
  if (values['help'] !== true && (positionals.length < least || positionals.length > most)) {
    throw new InvalidInputError(usageOf(command));
  }
  return { values, positionals };
}

export const usageOf = ({ name, usage }: Command): string => `usage: coi-sidecar ${name} ${usage}`;
