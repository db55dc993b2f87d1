import { after } from 'node:test';

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
