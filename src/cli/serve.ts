import { ConfigError } from '../config/load-config.ts';
import { createLogger, LineLimits } from '../logging.ts';
import { CONFIG_OPTION, type Command } from './command.ts';
import { readConfigOption } from './read-config-option.ts';
import { tellSupervisor } from './tell-supervisor.ts';
import { startWatchdog } from './watchdog/start-watchdog.ts';

/** Past it a stop is no longer graceful; systemd would kill after 90 seconds. */
const STOP_DEADLINE_MSECS = 30_000;

/** Runs the service until SIGTERM or SIGINT; what was accepted by then is finished. */
export const serve: Command = {
  name: 'serve',
  summary: 'run the service',
  usage: '[--config FILE]',
  options: CONFIG_OPTION,
  run: async (call) => {
    const config = readConfigOption(call);
    // Loaded when asked for: no other command needs the whole service.
    const { createApp } = await import('../app.ts');
    const { judgeOptions } = await import('./judge-options.ts');
    const problems = await judgeOptions(config);
    if (problems.length > 0) throw new ConfigError(problems);
    const log = createLogger(config.log.level, undefined, new LineLimits());
    process.on('uncaughtExceptionMonitor', (error) => {
      log.fatal({ err: error }, 'ended by an error that nobody expected');
    });
    const app = await createApp(config, { log });
    await app.start();
    // Not before: a start may take as long as what it finds on the disk.
    startWatchdog(config.watchdog.timeout, log);
    void tellSupervisor(log);
    const signal = await nextSignal();
    log.info({ signal }, 'stopping');
    const killer = setTimeout(() => {
      log.error('the stop takes too long; what is owed stays on disk for the next start');
      process.exit(1);
    }, STOP_DEADLINE_MSECS);
    await app.stop();
    clearTimeout(killer);
    log.info('stopped');
    return 0;
  },
};

const nextSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
