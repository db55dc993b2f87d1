import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { stageConfig } from '../support/start-stage.ts';
import type { PushTargets } from './push-targets.ts';
import { seedStore } from './seed-store.ts';
import { startSidecarUnderTest, type SidecarUnderTest } from './sidecar-under-test.ts';

const WITHOUT = { metadata: 'none', classify: 'none', events: 'none', notices: false } as const;

/** A Dovecot that knows nothing of COI, nor of Sieve and Lua. */
export const startPlain = (extraConfig = ''): Promise<PrivateDovecot> =>
  startPrivateDovecot({ version: '2.3', ...WITHOUT, extraConfig });

/** What every Lua driver needs at least. */
const EMPTY_SCRIPT = `
function dovecot_lua_notify_begin_txn(user)
  return {}
end
function dovecot_lua_notify_event_message_new(ctx, event)
end
function dovecot_lua_notify_end_txn(ctx, success)
end
`;

/** What becomes of chat mail, by a script that asks nobody. */
const FILING_SCRIPT = `
require ["fileinto", "mailbox", "imap4flags"];
if exists "Chat-Version" {
  addflag "$Chat";
  fileinto :create "COI/Chats";
  stop;
}
`;

const LUA_PLUGINS = 'notify push_notification mail_lua push_notification_lua';

/**
 * A Dovecot with an empty Lua push script, and with Sieve if that is wanted.
 *
 * @param dir for the scripts; everybody will be able to read it
 */
export async function startWithEmptyScript(
  dir: string,
  { filesChat = false, extraConfig = '' } = {},
): Promise<PrivateDovecot> {
  const lua = join(dir, 'empty.lua');
  const sieve = join(dir, 'filing.sieve');
  await chmod(dir, 0o755);
  await writeFile(lua, EMPTY_SCRIPT, { mode: 0o644 });
  await writeFile(sieve, FILING_SCRIPT, { mode: 0o644 });
  const dovecot = await startPlain(`
protocol lmtp {
  mail_plugins = $mail_plugins ${LUA_PLUGINS}${filesChat ? ' sieve' : ''}
}
plugin {
  push_notification_driver = lua:file=${lua}
  ${filesChat ? `sieve_before = file:${sieve}` : ''}
}
${extraConfig}`);
  if (filesChat) await dovecot.runProgram('sievec', [sieve]);
  return dovecot;
}

/** The sidecar beside a Dovecot with the shipped snippets. */
export interface DovecotWithSidecar {
  dovecot: PrivateDovecot;
  sidecar: SidecarUnderTest;
}

/**
 * @param chatters users with message-filter `active` and a subscription at each of the targets; all
 *   others have nothing
 */
export async function startWithSidecar(
  targets: PushTargets,
  chatters: readonly string[],
  extraConfig = '',
): Promise<DovecotWithSidecar> {
  const dovecot = await startPrivateDovecot({ version: '2.3', extraConfig });
  const { dir } = dovecot.layout;
  await writeFile(join(dir, 'ca.pem'), targets.ca);
  const config = stageConfig(dovecot, join(dir, 'ca.pem'));
  const { origins } = targets;
  await seedStore(String(config['store']?.['url']), { names: chatters, filter: 'active', origins });
  const sidecar = await startSidecarUnderTest(dir, config);
  for (const user of chatters) {
    await dovecot.runDoveadm(['mailbox', 'create', '-u', user, '-s', 'COI/Chats']);
  }
  return { dovecot, sidecar };
}
