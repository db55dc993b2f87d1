import type { Agenda } from './agenda.ts';
import type { QueuedPush } from './lane.ts';
import type { PushQueue } from './push-queue.ts';

const SWEEP_MSECS = 10_000;

export interface ExpirySweepParts {
  agenda: Agenda;
  queue: PushQueue;
  monotonic: () => number;
  onExpired: (pushes: readonly QueuedPush[]) => void;
}

/**
 * Takes out what expired while it waited behind others, without waiting for its turn. Looks every few
 * seconds while anything is owed; to be called whenever something is.
 */
export function createExpirySweep(parts: ExpirySweepParts): () => void {
  const { agenda, queue, monotonic, onExpired } = parts;
  let planned = false;
  const plan = (): void => {
    if (planned || queue.size === 0) return;
    planned = true;
    agenda.at(monotonic() + SWEEP_MSECS, sweep);
  };
  const sweep = (): void => {
    planned = false;
    onExpired(queue.takeExpired(monotonic()));
    plan();
  };
  return plan;
}
