import { readFileSync } from 'node:fs';
import convict from 'convict';
import { parse } from 'yaml';
import { errorMessage, InvalidInputError } from '../errors.ts';
import { closestMatch } from './closest-match.ts';
import { findConflicts } from './find-conflicts.ts';
import { COERCED_FORMATS, registerFormats } from './formats.ts';
import { environmentName, leaves, schema, type Config, type Leaf } from './schema.ts';

/** Everything that is wrong with a configuration, one sentence a problem. */
export class ConfigError extends InvalidInputError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem(s):\n  ${problems.join('\n  ')}`);
    this.problems = problems;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the YAML file and the environment, which wins.
 *
 * @throws ConfigError with every problem at once
 */
export function loadConfig(
  file: string | undefined,
  environment: Environment = process.env,
): Config {
  if (file === undefined) return readConfig('', environment);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([`cannot read the file: ${errorMessage(error)}`]);
  }
  return readConfig(text, environment);
}

/** As {@link loadConfig}, from text. */
export function readConfig(text: string, environment: Environment = {}): Config {
  const problems: string[] = [];
  const document = parseDocument(text);
  problems.push(...unknownKeys(document), ...unknownVariables(environment));
  const config = fill(document, environment, problems);
  if (problems.length === 0) problems.push(...findConflicts(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

type Document = Record<string, Record<string, unknown> | null>;

function parseDocument(text: string): Document {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new ConfigError([`not valid YAML: ${errorMessage(error)}`]);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ConfigError(['the file must hold sections such as "http:" with keys below them']);
  }
  return value as Document;
}

function unknownKeys(document: Document): string[] {
  const known = leaves.map(([path]) => path);
  const problems: string[] = [];
  for (const [section, keys] of Object.entries(document)) {
    if (!Object.hasOwn(schema, section)) {
      problems.push(unknown(section, Object.keys(schema), 'section'));
    } else if (keys !== null && (typeof keys !== 'object' || Array.isArray(keys))) {
      problems.push(
        `${section}: must hold keys, such as ${known.find((path) => path.startsWith(section)) ?? ''}`,
      );
    } else {
      for (const key of Object.keys(keys ?? {})) {
        const path = `${section}.${key}`;
        if (!known.includes(path)) problems.push(unknown(path, known, 'key'));
      }
    }
  }
  return problems;
}

function unknownVariables(environment: Environment): string[] {
  const known = leaves.map(([path]) => environmentName(path));
  return Object.keys(environment)
    .filter((name) => name.startsWith('COI_SIDECAR_') && !known.includes(name))
    .map((name) => unknown(name, known, 'environment variable'));
}

const unknown = (name: string, known: readonly string[], what: string): string => {
  const near = closestMatch(name, known);
  return `${name}: unknown ${what}${near === undefined ? '' : `; did you mean ${near}?`}`;
};

/** Lets convict lay file and environment over the defaults, option by option, so that one bad value hides no other. */
function fill(document: Document, environment: Environment, problems: string[]): Config {
  registerFormats();
  const filled: Record<string, Record<string, unknown>> = {};
  for (const [path, leaf] of leaves) {
    const [section, key] = path.split('.') as [string, string];
    const name = environmentName(path);
    const option = convict(
      { value: { ...leaf, env: name } },
      {
        env: environment,
        args: [],
      },
    );
    const given = document[section]?.[key];
    if (isMapping(given)) {
      // convict would take it apart.
      problems.push(`${path}: must be a value, and has keys of its own`);
    } else if (given !== undefined && given !== null) {
      option.load({ value: written(given, leaf) } as never);
    }
    try {
      option.validate({ allowed: 'strict' });
    } catch (error) {
      const where = environment[name] === undefined ? path : `${path} (from ${name})`;
      problems.push(`${where}: ${describe(errorMessage(error), leaf.sensitive === true)}`);
    }
    (filled[section] ??= {})[key] = option.getProperties().value;
  }
  return filled as unknown as Config;
}

const isMapping = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** convict coerces text only: what YAML has read as a number or boolean goes back to how it was written. */
const written = (value: unknown, { format }: Leaf): unknown =>
  COERCED_FORMATS.has(format) && ['number', 'boolean'].includes(typeof value)
    ? String(value)
    : value;

/** convict puts the option's name before our sentence and the value behind it. */
const describe = (message: string, sensitive: boolean): string => {
  const sentence = message.replace(/^value: /, '').replace(/: value was .*$/s, '');
  return sensitive ? sentence.replace(/"[^"]*"/g, '(the value)') : sentence;
};
