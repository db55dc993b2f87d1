import { ConfigError } from '../config/load-config.ts';
import { CONFIG_OPTION, type Command } from './command.ts';
import { readConfigOption } from './read-config-option.ts';

/** Says everything that is wrong with the configuration at once. */
export const check: Command = {
  name: 'check',
  summary: 'say everything that is wrong with the configuration',
  usage: '[--config FILE]',
  options: CONFIG_OPTION,
  run: (call) => {
    try {
      readConfigOption(call);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) console.error(problem);
      return Promise.resolve(1);
    }
    console.log('The configuration is good.');
    return Promise.resolve(0);
  },
};
