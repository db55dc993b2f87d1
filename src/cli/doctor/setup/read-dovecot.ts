import { errorMessage } from '../../../errors.ts';
import { PROTOCOLS, type DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { parseDoveconf, type Doveconf } from '../../../dovecot/settings/parse-doveconf.ts';
import { readProtocol23, readServer23 } from '../../../dovecot/settings/read-settings-2.3.ts';
import { readProtocol24, readServer24 } from '../../../dovecot/settings/read-settings-2.4.ts';
import { runCommand } from '../../demo/run-command.ts';
import type { DovecotView } from './setup.ts';

/**
 * Has Dovecot say what its configuration comes to, as a whole and for each protocol: what overrides
 * what is its own business.
 *
 * @param configFile undefined: the one that is built into Dovecot
 */
export async function readDovecot(configFile: string | undefined): Promise<DovecotView> {
  const where = configFile === undefined ? [] : ['-c', configFile];
  // -P shows secrets, which have to be compared. They stay in this process.
  const ask = (...filter: string[]) => runCommand('doveconf', [...where, '-a', '-P', ...filter]);
  const whole = await ask();
  if (/ENOENT/.test(whole.stderr) && whole.stdout === '') {
    return unseen('there is no doveconf on this host');
  }
  if (/Permission denied/.test(whole.stderr) && process.getuid?.() !== 0) {
    return unseen('only root may read Dovecot’s configuration');
  }
  try {
    if (whole.exitCode !== 0) throw new Error(lastLine(whole.stderr));
    const filtered = await Promise.all(
      PROTOCOLS.map(async (name) => parseDoveconf((await ask('-f', `protocol=${name}`)).stdout)),
    );
    const changed = await runCommand('doveconf', [...where, '-N']);
    const settings = interpret(
      parseDoveconf(whole.stdout),
      filtered,
      parseDoveconf(changed.stdout),
    );
    return { settings, problem: '', isFaulty: false };
  } catch (error) {
    return { settings: undefined, problem: errorMessage(error), isFaulty: true };
  }
}

const unseen = (problem: string): DovecotView => ({
  ...{ settings: undefined, problem, isFaulty: false },
});

function interpret(
  whole: Doveconf,
  filtered: readonly Doveconf[],
  changed: Doveconf,
): DovecotSettings {
  const is23 = whole.version.startsWith('2.3.');
  const readProtocol = is23 ? readProtocol23 : readProtocol24;
  const [imap, lmtp, lda] = filtered.map(({ root }) => readProtocol(root));
  return {
    version: whole.version,
    configFile: whole.configFile,
    series: is23 ? '2.3' : '2.4',
    server: is23
      ? readServer23(whole.root)
      : readServer24(whole.root, changed.root.values.get('mailbox_list_layout')),
    protocols: { imap, lmtp, lda } as DovecotSettings['protocols'],
  };
}

/** doveconf names the file and the line in its last words. */
const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
