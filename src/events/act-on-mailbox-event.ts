import { enabledChange, readSettings } from '../coi/settings.ts';
import type { Folders } from '../coi/folders.ts';
import type { DoveadmClient } from '../dovecot/doveadm-client.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Store } from '../stores/store.ts';
import type { MailboxEvent } from './event-schema.ts';
import { judgeMailboxEvent, type MailboxRules } from './on-mailbox-event.ts';

export interface MailboxEventParts {
  store: Store;
  folders: Folders;
  doveadm: DoveadmClient;
  rules: MailboxRules;
  /** Shows clients the new state of `enabled`. */
  publish: (user: string) => Promise<void>;
  onTransition?: (state: 'enabled' | 'disabled') => void;
  log: Logger;
}

/** Enables and disables COI as mailboxes come and go, and undoes renames that nobody should make. */
export function createActOnMailboxEvent(parts: MailboxEventParts) {
  const { store, folders, doveadm, rules, log } = parts;

  return async (user: string, event: MailboxEvent): Promise<void> => {
    const verdict = judgeMailboxEvent(event, rules);
    if (verdict === 'unrelated') return;
    const { enabled } = await readSettings(store, user);
    if (verdict === 'enable') {
      if (!enabled) await setEnabled(user, true);
    } else if (enabled && (verdict === 'disable' || !(await undo(user, verdict.undo)))) {
      await setEnabled(user, false);
    }
  };

  async function setEnabled(user: string, enabled: boolean): Promise<void> {
    if (enabled) await folders.ensureAll(user);
    await store.commit(user, [enabledChange(enabled)]);
    await parts.publish(user);
    const state = enabled ? 'enabled' : 'disabled';
    parts.onTransition?.(state);
    log.info({ user, state }, 'COI follows what became of the Chats mailbox');
  }

  /** Stock Dovecot cannot refuse a RENAME. @returns whether the mailbox is where it was */
  async function undo(user: string, { from, to }: { from: string; to: string }): Promise<boolean> {
    try {
      await doveadm.run({
        name: 'mailboxRename',
        parameters: { user, mailbox: from, newName: to, subscriptions: true },
      });
      log.info({ user, mailbox: to }, 'undid a rename that would have taken Chats away');
      return true;
    } catch (error) {
      log.warn(
        { user, mailbox: to, reason: errorMessage(error) },
        'cannot undo a rename; COI is disabled',
      );
      return false;
    }
  }
}
