import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import './secret-watch.ts';

/** What closes by itself, such as an idle connection, has done so by then. */
const GRACE_MSECS = 30_000;

// Loaded into the process of each test file (`node --import`). The time-out of a test does not end a
// process that something keeps alive when its tests are over, and the run would wait for it for ever.
if (isMainThread && process.env['NODE_TEST_CONTEXT'] !== undefined) {
  after(() => {
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ');
      console.error(`the tests are over, but their process is kept alive by: ${open}`);
      process.exit(1);
    }, GRACE_MSECS).unref();
  });
}
