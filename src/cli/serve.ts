import { ConfigError } from '../config/load-config.ts';
import { createLogger, LineLimits } from '../logging.ts';
import { CONFIG_OPTION, type Command } from './command.ts';
import { readConfigOption } from './read-config-option.ts';
import { tellSupervisor } from './tell-supervisor.ts';
import { startWatchdog } from './watchdog/start-watchdog.ts';

/** Past it a stop is no longer graceful; systemd would kill after 90 seconds. */
const STOP_DEADLINE_MSECS = 30_000;

/**
 * Runs the service until SIGTERM or SIGINT; what was accepted by then is finished. At SIGHUP it reads its
 * configuration anew; run from a terminal it ends, for then the terminal is gone.
 */
export const serve: Command = {
  name: 'serve',
  summary: 'run the service',
  usage: '[--config FILE]',
  options: CONFIG_OPTION,
  run: async (call) => {
    const config = readConfigOption(call);
    const log = createLogger(config.log.level, undefined, new LineLimits());
    // Loaded when asked for: no other command needs the whole service.
    const { HangUp } = await import('./hang-up.ts');
    const hangUp = process.stdout.isTTY ? undefined : new HangUp(() => readConfigOption(call), log);
    const { createApp } = await import('../app.ts');
    const { judgeOptions } = await import('./judge-options.ts');
    const problems = await judgeOptions(config);
    if (problems.length > 0) throw new ConfigError(problems);
    process.on('uncaughtExceptionMonitor', (error) => {
      log.fatal({ err: error }, 'ended by an error that nobody expected');
    });
    const app = await createApp(config, { log });
    await app.start();
    hangUp?.serve(app);
    // Not before: a start may take as long as what it finds on the disk.
    startWatchdog(config.watchdog.timeout, log);
    void tellSupervisor(log);
    const signal = await nextSignal(hangUp ? ENDS : [...ENDS, 'SIGHUP']);
    hangUp?.ignore();
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

const ENDS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'];

const nextSignal = (signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of signals) process.once(signal, resolve);
  });
