import type { Setup } from '../setup/setup.ts';
import { SAMPLE_CHAT, SAMPLE_MAIL } from './sample-message.ts';

/**
 * For whom and with what to ask for a classification. With metadata.source doveadm Dovecot has to know
 * the user of a chat message; without a scratch user an ordinary one has to do.
 */
export function chooseSample({ config, options }: Setup): { user: string; message: string } {
  const [scratch] = options.users;
  const knowable = config.metadata.source === 'dict' || scratch !== undefined;
  return { user: scratch ?? 'coi-sidecar-doctor', message: knowable ? SAMPLE_CHAT : SAMPLE_MAIL };
}
