import type { App } from '../app.ts';
import { ConfigError } from '../config/load-config.ts';
import type { Config } from '../config/schema.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { judgeOptions } from './judge-options.ts';

/**
 * Has the configuration read anew at SIGHUP, as daemons do. Whoever asks while the service starts, or while
 * it reads, has it done afterwards, once; while it stops, not at all.
 */
export class HangUp {
  readonly #read: () => Config;
  readonly #log: Logger;
  #app: App | undefined;
  #isWanted = false;
  #isUnderWay = false;

  /** @param read the configuration; throws a ConfigError where it is wrong */
  constructor(read: () => Config, log: Logger) {
    this.#read = read;
    this.#log = log;
    process.on('SIGHUP', () => {
      this.#isWanted = true;
      void this.#run();
    });
  }

  /** The service is there. */
  serve(app: App): void {
    this.#app = app;
    void this.#run();
  }

  /** From now on it stops. */
  ignore(): void {
    this.#app = undefined;
  }

  async #run(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    while (this.#isWanted && this.#app !== undefined) {
      this.#isWanted = false;
      await this.#reload(this.#app);
    }
    this.#isUnderWay = false;
  }

  /** What is wrong with the new configuration is said, and the old one stays. */
  async #reload(app: App): Promise<void> {
    try {
      const config = this.#read();
      const problems = await judgeOptions(config);
      if (problems.length > 0) throw new ConfigError(problems);
      await app.reload(config);
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, 'not reloaded: everything stays as it was');
    }
  }
}
