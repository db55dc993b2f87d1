import { findOutbox } from '../config/find-outbox.ts';
import { ConfigError } from '../config/load-config.ts';
import { CONFIG_OPTION, type Command } from './command.ts';
import { readConfigOption } from './read-config-option.ts';

/** Says everything that is wrong with the configuration at once. */
export const check: Command = {
  name: 'check',
  summary: 'say everything that is wrong with the configuration',
  usage: '[--config FILE]',
  options: CONFIG_OPTION,
  run: async (call) => {
    let problems: readonly string[];
    let note: string | undefined;
    try {
      const config = readConfigOption(call);
      const { judgeOptions } = await import('./judge-options.ts');
      problems = await judgeOptions(config);
      ({ note } = findOutbox(config));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems = error.problems;
    }
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) return 1;
    console.log('The configuration is good.');
    if (note !== undefined) console.log(`Note: ${note}.`);
    return 0;
  },
};
