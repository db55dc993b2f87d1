import { entries } from './entries.ts';
import { outbox } from './outbox.ts';

/** What a writer can be started for; the name travels to its thread. */
export const jobRunners = { entries, outbox };

export type Purpose = keyof typeof jobRunners;
