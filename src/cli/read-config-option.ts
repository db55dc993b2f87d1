import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load-config.ts';
import type { Config } from '../config/schema.ts';
import { DEFAULT_CONFIG_FILE, type CommandCall } from './command.ts';

/**
 * The configuration that `--config` names, else the package's, else the environment alone.
 *
 * @throws ConfigError with every problem at once
 */
export function readConfigOption({ values }: CommandCall): Config {
  const named = values['config'];
  if (typeof named === 'string') return loadConfig(named);
  return loadConfig(existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
}
