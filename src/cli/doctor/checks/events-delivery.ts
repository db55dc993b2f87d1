import type { DovecotSettings, PushDriver } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { agentsOf, type DeliveryAgent } from '../delivery.ts';
import { deliverToNobody } from '../nobody/deliver-to-nobody.ts';
import { onlyDriver, onlyPlugins } from '../nobody/scratch-settings.ts';
import { findOx, runsCoi } from '../push-driver.ts';
import type { Setup } from '../setup/setup.ts';
import { NAME_ONE } from '../try-as-mail-user.ts';
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
  run: async (setup, report) => {
    const tried = new Set<string>();
    for (const agent of agentsOf(setup)) await tryAgent(agent, setup, tried, report);
  },
});

async function tryAgent(
  agent: DeliveryAgent,
  setup: Setup,
  tried: Set<string>,
  report: Reporter<keyof typeof eventsDelivery.faults>,
): Promise<void> {
  const settings = setup.dovecot.settings as DovecotSettings;
  const { plugins, pushDrivers } = settings.protocols[agent.protocol];
  const found = await findDriver(setup, pushDrivers);
  if (typeof found === 'string') {
    report.skip(found);
    return;
  }
  const { driver } = found;
  const values = { agent: agent.name, driver };
  const wanted = driver === 'ox' ? OX_PLUGINS : LUA_PLUGINS;
  const overrides = [onlyPlugins(plugins, wanted), ...onlyDriver(settings, found)];
  const made = await deliverToNobody(setup, { agent, overrides, tried }, report.skip);
  if (made === undefined) return;
  const { delivered, complaints: problem } = made;
  if (!delivered) report.fault('not-delivered', { ...values, problem });
  else if (made.report.reported) report.note(`by "${driver}"`);
  else if (problem === '') {
    const snippet = driver === 'ox' ? '95-coi-events-ox.conf' : '95-coi-events.conf';
    report.fault('silent', { ...values, snippet });
  } else if (setup.mailUser.guessed && /Permission denied/.test(problem)) {
    report.skip(`${problem}: ${NAME_ONE}`);
  } else {
    const answer = NOT_TAKEN.exec(problem)?.slice(1).find(Boolean);
    if (answer === undefined) report.fault('driver-fails', { ...values, problem });
    else report.fault('not-heard', { ...values, problem: answer });
  }
}

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
