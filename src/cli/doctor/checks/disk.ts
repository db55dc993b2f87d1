import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defineCheck } from '../check.ts';
import { findOutbox } from '../../../config/find-outbox.ts';
import type { Config } from '../../../config/schema.ts';

/** Below it a database cannot even clean up. */
const FULL_OCTETS = 1_048_576;
/** A bad night's event log and outbox. */
const LOW_OCTETS = 100 * 1_048_576;
const LOW_FILES = 1_000;

/** Whether they can be written to is what the service says itself, in `readiness`. */
export const disk = defineCheck({
  name: 'disk',
  part: 'service',
  title: 'There is room for state, outbox and event log',
  needs: ['configuration'],
  faults: {
    full: {
      severity: 'error',
      what: '{dir}, where {what} is kept, has no room left ({left}).',
      remedy: 'Free some space: nothing new can be kept until then.',
    },
    low: {
      severity: 'warning',
      what: '{dir}, where {what} is kept, has little room left ({left}).',
      remedy: 'Free some space, or give it a file system of its own.',
    },
  },
  run: async ({ config }, report) => {
    for (const [dir, what] of directories(config)) {
      const found = await statfs(dir).catch(() => undefined);
      if (found === undefined) {
        report.skip(`${dir} (${what}) cannot be looked at`);
        continue;
      }
      const octets = found.bavail * found.bsize;
      // Some file systems count no files.
      const files = found.files === 0 ? Infinity : found.ffree;
      const left = `${Math.floor(octets / 1_048_576)} MiB, ${String(files)} files`;
      if (octets < FULL_OCTETS || files === 0) report.fault('full', { dir, what, left });
      else if (octets < LOW_OCTETS || files < LOW_FILES) report.fault('low', { dir, what, left });
      else report.note(what);
    }
  },
});

function directories(config: Config): Map<string, string> {
  const { store, events } = config;
  const all = new Map<string, string>();
  const add = (dir: string, what: string): void => {
    all.set(dir, all.has(dir) ? `${all.get(dir) ?? ''} and ${what}` : what);
  };
  if (store.url.startsWith('sqlite:')) add(dirname(store.url.slice('sqlite:'.length)), 'state');
  add(dirname(findOutbox(config).path), 'the outbox');
  add(events.dir, 'the event log');
  return all;
}
