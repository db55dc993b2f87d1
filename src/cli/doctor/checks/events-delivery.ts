import type { DovecotSettings, PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { onlyDriver, onlyPlugins } from '../nobody/scratch-settings.ts';
import { tryEachAgent } from '../nobody/try-each-agent.ts';
import { findOx, runsCoi } from '../push-driver.ts';
import type { Setup } from '../setup/setup.ts';
import { LUA_PLUGINS, OX_PLUGINS } from './plugins.ts';

/** The whole road, gone by Dovecot itself; why it is blocked is told apart by the checks before it. */
export const eventsDelivery = defineCheck({
  name: 'events-delivery',
  part: 'events',
  title: 'Dovecot’s driver tells of a delivery to nobody, and the service hears it',
  needs: ['configuration', 'dovecot', 'service'],
  faults: {
    'not-delivered': {
      severity: 'error',
      what: '{agent} cannot deliver with its push_notification plugins: {problem}.',
      remedy: 'All mail meets the same: correct it first.',
    },
    'driver-fails': {
      severity: 'error',
      what: 'by {agent}, Dovecot’s driver "{driver}" fails: {problem}.',
      remedy:
        'Copy the scripts of lua/ again, all of them, and see what is said of plugins and driver.',
    },
    'not-heard': {
      severity: 'error',
      what: 'by {agent}, what Dovecot’s driver "{driver}" says is not taken: {problem}.',
      remedy:
        'See events-url and lda; if nothing is wrong there, something between mail processes and the service is (firewall, proxy).',
    },
    silent: {
      severity: 'error',
      what: 'Dovecot’s driver "{driver}" does not tell of a delivery by {agent}, and complains of nothing.',
      remedy: 'Load the plugins of {snippet}; "ox" also needs an answer from dict-socket.',
    },
  },
  run: (setup, report) =>
    tryEachAgent(setup, report, async ({ name: agent }, { plugins, pushDrivers }) => {
      const found = await findDriver(setup, pushDrivers);
      if (typeof found === 'string') return found;
      const { driver } = found;
      const isOx = driver === 'ox';
      const settings = setup.dovecot.settings as DovecotSettings;
      const wanted = isOx ? OX_PLUGINS : LUA_PLUGINS;
      return {
        overrides: [onlyPlugins(plugins, wanted), ...onlyDriver(settings, found)],
        succeeded: ({ report: { reported } }) => (reported ? `by "${driver}"` : undefined),
        failed: ({ complaints: problem }) => {
          const snippet = isOx ? '95-coi-events-ox.conf' : '95-coi-events.conf';
          const answer = NOT_TAKEN.exec(problem)?.slice(1).find(Boolean);
          if (problem === '') report.fault('silent', { agent, driver, snippet });
          else if (answer === undefined) report.fault('driver-fails', { agent, driver, problem });
          else report.fault('not-heard', { agent, driver, problem: answer });
        },
      };
    }),
});

/** In the words of coi-report.lua, and of push-notification-driver-ox.c. */
const NOT_TAKEN = /did not take events of \S+ \((.*?)\) and |Error when sending notification: (.*)/;

/** @returns in words why there is nothing to try */
async function findDriver(
  setup: Setup,
  pushDrivers: readonly PushDriver[],
): Promise<PushDriver | string> {
  const lua = pushDrivers.find(runsCoi);
  if (lua !== undefined) {
    return (lua.settings.url ?? '') === '' ? 'coi_sidecar_url is not set' : lua;
  }
  const ox = await findOx(setup, pushDrivers);
  if (ox === undefined) return 'Dovecot has no driver that tells the service';
  // Only the service can say that nobody wants to be told of; Dovecot's own dict is not ours to write.
  if (setup.config.metadata.source === 'dict') return ox;
  return 'with metadata.source: doveadm the "ox" driver tells of users with an annotation only';
}
