import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { deliveryProtocol, deliverySieve } from '../delivery.ts';
import { deliverToNobody } from '../nobody/deliver-to-nobody.ts';
import { onlyPlugins, onlyScript } from '../nobody/scratch-settings.ts';
import { findCoiScript } from '../probes/find-coi-script.ts';

/** The whole road, gone by Dovecot itself; why it is blocked is told apart by the checks before it. */
export const classifyDelivery = defineCheck({
  name: 'classify-delivery',
  part: 'classify',
  title: 'Sieve asks the service at a delivery to nobody, and gets its answer',
  needs: ['configuration', 'dovecot', 'service'],
  faults: {
    'not-delivered': {
      severity: 'error',
      what: 'Dovecot cannot deliver with its Sieve plugin: {problem}.',
      remedy: 'All mail meets the same: correct it first.',
    },
    'script-fails': {
      severity: 'error',
      what: 'Sieve gets nowhere with {file}: {problem}.',
      remedy: 'See what is said above of sieve, and of the socket or the program.',
    },
    'not-asked': {
      severity: 'error',
      what: 'Sieve ran without asking the service: chat stays in INBOX.',
      remedy: 'Load the plugin sieve for protocol {protocol}, and see that {file} asks.',
    },
    'no-answer': {
      severity: 'error',
      what: 'Sieve asked, but the question did not arrive at the service: chat stays in INBOX.',
      remedy: 'See what is said above of the socket or the program; the program itself is silent.',
    },
    unheard: {
      severity: 'error',
      what: 'the service was asked, but Sieve did not wait for its answer, or did not understand it.',
      remedy:
        'Set sieve_execute_exec_timeout to 1s (over HTTP: 2s), copy coi.sieve again, and compile it.',
    },
  },
  run: async (setup, report) => {
    const settings = setup.dovecot.settings as DovecotSettings;
    const protocol = deliveryProtocol(settings);
    const script = await findCoiScript(deliverySieve(settings).before);
    if (script === undefined) {
      report.skip('no "before" script of Sieve is coi.sieve');
      return;
    }
    const { path: file } = script;
    const { plugins } = settings.protocols[protocol];
    const overrides = [onlyPlugins(plugins, ['sieve']), ...onlyScript(settings, script)];
    const made = await deliverToNobody(setup, overrides, report.skip);
    if (made === undefined) return;
    const { delivered, complaints: problem, hasChatKeyword, report: heard } = made;
    if (!delivered) report.fault('not-delivered', { problem });
    else if (heard.classified && !hasChatKeyword) report.note(file);
    else if (setup.mailUser.guessed && /Permission denied/.test(problem)) {
      report.skip(`${problem}: each user has an own uid; name one with --user`);
    } else if (problem !== '') report.fault('script-fails', { file, problem });
    else if (heard.classified) report.fault('unheard');
    else if (hasChatKeyword) report.fault('no-answer');
    else report.fault('not-asked', { file, protocol });
  },
});
