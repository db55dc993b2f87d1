import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { defineCheck } from '../check.ts';
import { onlyPlugins, onlyScript } from '../nobody/scratch-settings.ts';
import { tryEachAgent } from '../nobody/try-each-agent.ts';
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
      what: '{agent} cannot deliver with its Sieve plugin: {problem}.',
      remedy: 'All mail meets the same: correct it first.',
    },
    'script-fails': {
      severity: 'error',
      what: 'by {agent}, Sieve gets nowhere with {file}: {problem}.',
      remedy: 'See what is said above of lda, of sieve, and of the socket or the program.',
    },
    'not-asked': {
      severity: 'error',
      what: 'by {agent}, Sieve ran without asking the service: chat stays in INBOX.',
      remedy: 'Load the plugin sieve for protocol {protocol}, and see that {file} asks.',
    },
    'no-answer': {
      severity: 'error',
      what: 'by {agent}, Sieve asked, but the question did not arrive at the service: chat stays in INBOX.',
      remedy: 'See what is said above of the socket or the program; the program itself is silent.',
    },
    unheard: {
      severity: 'error',
      what: 'by {agent}, the service was asked, but Sieve did not wait for its answer, or did not understand it.',
      remedy:
        'Set sieve_execute_exec_timeout to 1s (over HTTP: 2s), copy coi.sieve again, and compile it.',
    },
  },
  run: (setup, report) =>
    tryEachAgent(setup, report, async ({ name: agent, protocol }, { plugins, sieve }) => {
      const script = await findCoiScript(sieve.before);
      if (script === undefined) return 'no "before" script of Sieve is coi.sieve';
      const { path: file } = script;
      const settings = setup.dovecot.settings as DovecotSettings;
      return {
        overrides: [onlyPlugins(plugins, ['sieve']), ...onlyScript(settings, script)],
        succeeded: ({ hasChatKeyword, report: { classified } }) =>
          classified && !hasChatKeyword ? file : undefined,
        failed: ({ complaints: problem, hasChatKeyword, report: { classified } }) => {
          if (problem !== '') report.fault('script-fails', { agent, file, problem });
          else if (classified) report.fault('unheard', { agent });
          else if (hasChatKeyword) report.fault('no-answer', { agent });
          else report.fault('not-asked', { agent, file, protocol });
        },
      };
    }),
});
