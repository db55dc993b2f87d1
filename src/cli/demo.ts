import { errorMessage } from '../errors.ts';
import type { Command } from './command.ts';
import type { DemoStage, MetadataSourceName } from './demo/run-demo.ts';

/** Shows the main job on real input; exit code 0 only if every step did what it should. */
export const demo: Command = {
  name: 'demo',
  summary: 'watch a private stock Dovecot become a COI and WebPush server',
  usage: '[--keep] [--source dict|doveadm]',
  options: { keep: { type: 'boolean' }, source: { type: 'string', default: 'dict' } },
  run: async ({ values }) => {
    const source = values['source'];
    if (source !== 'dict' && source !== 'doveadm') {
      console.error('--source must be "dict" or "doveadm"');
      return 2;
    }
    try {
      await show(source, values['keep'] === true);
    } catch (error) {
      console.error(`\nThe demo failed: ${errorMessage(error)}`);
      return 1;
    }
    console.log('\nEverything did what it should.');
    return 0;
  },
};

async function show(source: MetadataSourceName, keep: boolean): Promise<void> {
  // Loaded when asked for: they take longer than most other commands do.
  const { createNarrator } = await import('./demo/narrator.ts');
  const { runDemo } = await import('./demo/run-demo.ts');
  const stage = await runDemo(createNarrator(process.stdout), source);
  try {
    if (keep) await keepRunning(stage);
  } finally {
    await stage.close();
  }
}

async function keepRunning({ dovecot, app }: DemoStage): Promise<void> {
  console.log(`
It keeps running. Any user name works, the password is "${dovecot.password}":
  IMAP     ${dovecot.imap.host} port ${dovecot.imap.port}
  LMTP     ${dovecot.lmtp.host} port ${dovecot.lmtp.port}
  metrics  ${app.url}/metrics
  log      ${dovecot.layout.logFile}
Ctrl-C ends it.`);
  await new Promise((resolve) => process.once('SIGINT', resolve));
}
