import { writeFile } from 'node:fs/promises';
import { errorMessage } from '../../errors.ts';
import { createSayRarely, type Logger } from '../../logging.ts';
import type { Exchange } from '../client/exchange.ts';
import { formatExchange } from './format-exchange.ts';
import { inDirectory, openDirectory } from './open-directory.ts';
import { expandRawlogDir } from './rawlog-dir.ts';

/** Files being written at a time; past it, a disk hangs, and pushes are worth more than their rawlog. */
const MAX_PENDING = 64;

const REPEAT_LOG_MSECS = 60_000;

export interface Rawlog {
  write(exchange: Exchange): void;
  /** Resolves when everything is written. */
  flush(): Promise<void>;
}

/**
 * Writes one file per push request, `<time>-<number>-<push service>.log`, readable by this service's user
 * only. Pushes do not wait for it. A user whose directory does not exist has no rawlog.
 *
 * @param template `webpush.rawlog_dir`; see checkRawlogDir
 */
export function createRawlog(template: string, log: Logger): Rawlog {
  const pending = new Set<Promise<void>>();
  let count = 0;
  const sayRarely = createSayRarely(REPEAT_LOG_MSECS, () => performance.now());
  const warnRarely = (error: string): void =>
    sayRarely(error, (again) => log.warn({ error, ...again }, 'rawlog files cannot be written'));
  const write = async (exchange: Exchange): Promise<void> => {
    count += 1;
    const time = new Date(exchange.startedAt).toISOString().replaceAll(':', '');
    const service = exchange.request.url.hostname.replace(/[^a-z0-9.-]/g, '_').slice(0, 100);
    const name = `${time}-${String(count).padStart(6, '0')}-${process.pid}-${service}.log`;
    try {
      const directory = await openDirectory(expandRawlogDir(template, exchange.user));
      try {
        // A new file, or none: through nothing that is there already.
        const options = { mode: 0o600, flag: 'wx' };
        await writeFile(inDirectory(directory, name), formatExchange(exchange), options);
      } finally {
        await directory.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && template.includes('%u')) return;
      // The message names the file, which is another each time.
      warnRarely((error as NodeJS.ErrnoException).code ?? errorMessage(error));
    }
  };
  return {
    write(exchange) {
      if (pending.size >= MAX_PENDING) {
        warnRarely('the disk does not keep up');
        return;
      }
      const writing = write(exchange).finally(() => pending.delete(writing));
      pending.add(writing);
    },
    async flush() {
      await Promise.all(pending);
    },
  };
}
