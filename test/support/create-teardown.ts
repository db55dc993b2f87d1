import { after, type TestContext } from 'node:test';

/**
 * Stops what a suite has started, the last first, when the suite ends. Say `defer` (or `use`) after each
 * start: where `before` breaks half way, exactly what runs by then is stopped, and all of it even if one
 * stop fails.
 */
export function createTeardown(): AsyncDisposableStack {
  const teardown = new AsyncDisposableStack();
  after(() => teardown.disposeAsync());
  return teardown;
}

const teardowns = new WeakMap<TestContext, AsyncDisposableStack>();

/**
 * The same for one test; there is one, whoever asks. What `test.after` is told first it runs first: a
 * directory would go before the process that writes to it has ended.
 */
export function teardownOf(test: TestContext): AsyncDisposableStack {
  const known = teardowns.get(test);
  if (known !== undefined) return known;
  const teardown = new AsyncDisposableStack();
  teardowns.set(test, teardown);
  test.after(() => teardown.disposeAsync());
  return teardown;
}
