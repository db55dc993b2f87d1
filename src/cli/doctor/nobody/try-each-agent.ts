import type {
  DovecotSettings,
  ProtocolSettings,
} from '../../../dovecot/settings/dovecot-settings.ts';
import type { Reporter } from '../check.ts';
import { agentsOf, type DeliveryAgent } from '../delivery.ts';
import type { Setup } from '../setup/setup.ts';
import { NAME_ONE } from '../try-as-mail-user.ts';
import { deliverToNobody, type NobodysDelivery } from './deliver-to-nobody.ts';
import type { Override } from './scratch-settings.ts';

/** A delivery to nobody, and what is to be made of it. */
export interface Trial {
  overrides: readonly Override[];
  /** @returns what to note of one that went as it should; undefined if this one did not */
  succeeded: (made: NobodysDelivery) => string | undefined;
  failed: (made: NobodysDelivery) => void;
}

/**
 * Has each delivery agent deliver to nobody; those that would do the very same are tried once.
 *
 * @param plan with what settings; in words why there is nothing to try
 */
export async function tryEachAgent(
  setup: Setup,
  report: Reporter<'not-delivered'>,
  plan: (agent: DeliveryAgent, settings: ProtocolSettings) => Promise<Trial | string>,
): Promise<void> {
  const { protocols } = setup.dovecot.settings as DovecotSettings;
  const { mailUser } = setup;
  const tried = new Set<string>();
  for (const agent of agentsOf(setup)) {
    const trial = await plan(agent, protocols[agent.protocol]);
    if (typeof trial === 'string') {
      report.skip(trial);
      continue;
    }
    const { overrides } = trial;
    const made = await deliverToNobody(setup, { agent, overrides, tried }, report.skip);
    if (made === undefined) continue;
    const { delivered, complaints: problem } = made;
    const note = trial.succeeded(made);
    if (!delivered) report.fault('not-delivered', { agent: agent.name, problem });
    else if (note !== undefined) report.note(note);
    else if (mailUser.guessed && /Permission denied/.test(problem)) {
      report.skip(`${problem}: ${NAME_ONE}`);
    } else trial.failed(made);
  }
}
