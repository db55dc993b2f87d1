import { access, constants } from 'node:fs/promises';
import { ConfigError, loadConfig, readConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/schema.ts';
import { VERSION } from '../../version.ts';
import { checks } from './checks.ts';
import { configuration } from './checks/configuration.ts';
import { fill, runCheck } from './run-check.ts';
import { summarise, type CheckResult, type Report } from './report.ts';
import { gatherSetup } from './setup/gather-setup.ts';
import type { DoctorOptions, DovecotView } from './setup/setup.ts';

/**
 * Looks at the real set-up from the outside, one check after the other.
 *
 * @param now milliseconds since the epoch
 */
export async function runDoctor(
  options: DoctorOptions,
  now: () => number = Date.now,
): Promise<Report> {
  const configurationProblem = await readingProblem(options);
  let config: Config;
  try {
    config = configurationProblem === undefined ? loadConfig(options.configFile) : standIn();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return summarise(invalidConfiguration(error, options), null, VERSION);
  }
  await using setup = await gatherSetup({ config, configurationProblem, options, now });
  const results: CheckResult[] = [];
  for (const check of checks) {
    if (options.only.length > 0 && !options.only.includes(check.name)) continue;
    if (check.applies?.(setup) === false) continue;
    results.push(await runCheck(check, setup));
  }
  if (isCoveredByTrip(results)) excuseElsewhere(results, setup.dovecot);
  return summarise(results, setup.dovecot.settings?.version ?? null, VERSION);
}

/** Why the configuration can be good, and is not for us to see. */
async function readingProblem({ configFile }: DoctorOptions): Promise<string | undefined> {
  if (configFile === undefined) return undefined;
  const error = await access(configFile, constants.R_OK).catch((reason: unknown) => reason);
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'EACCES') return undefined;
  return `only root and the service may read ${configFile}`;
}

/** What the environment and the defaults say. No check that needs a secret is made with it. */
const standIn = (): Config => {
  const unknown = 'not-known-to-this-user';
  return readConfig(
    `{ http: { token: ${unknown} }, doveadm: { api_key: ${unknown} } }`,
    process.env,
  );
};

/** Whoever sent mail through it all has seen more of a Dovecot elsewhere than its configuration shows. */
const isCoveredByTrip = (results: readonly CheckResult[]): boolean =>
  results.some(({ name, verdict }) => name === 'trip' && verdict === 'ok');

function excuseElsewhere(
  results: CheckResult[],
  { settings, problem, isFaulty }: DovecotView,
): void {
  if (settings !== undefined || isFaulty) return;
  for (const result of results) {
    const { verdict, skipped } = result;
    if (verdict === 'unknown' && skipped.every((reason) => reason.includes(problem))) {
      result.verdict = result.notes.length > 0 ? 'ok' : 'skipped';
    }
  }
}

/** Everything else depends on it. */
function invalidConfiguration(
  { problems }: ConfigError,
  { configFile }: DoctorOptions,
): CheckResult[] {
  const { severity, what, remedy } = configuration.faults.invalid;
  const file = configFile ?? 'the environment';
  return checks.map(({ name, part, title }) =>
    name === configuration.name
      ? {
          ...{ name, part, title, verdict: 'error', skipped: [], notes: [] },
          findings: problems.map((problem) => ({
            ...{ severity, fault: `${name}.invalid`, message: fill(what, { problem }) },
            remedy: fill(remedy, { file }),
          })),
        }
      : {
          ...{ name, part, title, verdict: 'unknown', findings: [], notes: [] },
          skipped: ['the configuration cannot be used'],
        },
  );
}
