import { ConfigError, loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/schema.ts';
import { VERSION } from '../../version.ts';
import { checks } from './checks.ts';
import { configuration } from './checks/configuration.ts';
import { fill, runCheck } from './run-check.ts';
import { summarise, type CheckResult, type Report } from './report.ts';
import { gatherSetup } from './setup/gather-setup.ts';
import type { DoctorOptions } from './setup/setup.ts';

/**
 * Looks at the real set-up from the outside, one check after the other.
 *
 * @param now milliseconds since the epoch
 */
export async function runDoctor(
  options: DoctorOptions,
  now: () => number = Date.now,
): Promise<Report> {
  let config: Config;
  try {
    config = loadConfig(options.configFile);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return summarise(invalidConfiguration(error, options), null, VERSION);
  }
  await using setup = await gatherSetup(config, options, now);
  const results: CheckResult[] = [];
  for (const check of checks) {
    if (options.only.length > 0 && !options.only.includes(check.name)) continue;
    if (check.applies?.(setup) === false) continue;
    results.push(await runCheck(check, setup));
  }
  return summarise(results, setup.dovecot.settings?.version ?? null, VERSION);
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
          ...{ name, part, title, verdict: 'skipped', findings: [], notes: [] },
          skipped: ['the configuration cannot be used'],
        },
  );
}
