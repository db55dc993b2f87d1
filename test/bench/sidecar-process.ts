/** A process of its own: the sidecar as `serve` runs it, which also tells what it has used so far. */
import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { createLogger } from '../../src/logging.ts';
import type { SidecarUsage } from './sidecar-under-test.ts';

const [file = ''] = process.argv.slice(2);
const config = readConfig(readFileSync(file, 'utf8'));
const app = await createApp(config, { log: createLogger(config.log.level) });
await app.start();

const usage = (): SidecarUsage => {
  const { user, system } = process.cpuUsage();
  return {
    cpuMsecs: (user + system) / 1_000,
    allocatedOctets: getHeapStatistics().total_allocated_bytes,
    residentOctets: process.memoryUsage.rss(),
    owed: app.domain.delivery.levels().owed,
  };
};

process.on('message', () => process.send?.(usage()));
process.once('disconnect', () => void app.stop().then(() => process.exit()));
process.send?.(usage());
