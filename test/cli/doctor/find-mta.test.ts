import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { findMta, type MtaView } from '../../../src/cli/doctor/setup/find-mta.ts';
import { makeTempDir } from '../../stores/make-temp-dir.ts';
import { exim, MAILBOX_COMMAND, postconf } from './seeds/mta.ts';

const temp = makeTempDir();
after(() => temp.remove());
let directories = 0;

/** What is found where the MTA is this; the programs say what those of Postfix 3.7 and Exim 4.96 say. */
async function found(programs: Record<string, string>): Promise<MtaView> {
  const dir = join(temp.path, String(++directories));
  mkdirSync(dir);
  for (const [name, text] of Object.entries({ postconf: 'exit 1', exim4: 'exit 1', ...programs })) {
    writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(dir, name), 0o755);
  }
  const before = process.env['PATH'];
  process.env['PATH'] = `${dir}:${before ?? ''}`;
  try {
    return await findMta();
  } finally {
    process.env['PATH'] = before;
  }
}

const deliveries = ({ mta }: MtaView): unknown =>
  mta?.deliveries.map(({ by, setting, user, group }) => [by, setting, user, group]);

describe('which delivery agent the MTA uses', () => {
  for (const [what, settings, expected] of [
    [
      'mailbox_command, as the recipient',
      MAILBOX_COMMAND,
      [['lda', `mailbox_command = ${MAILBOX_COMMAND.mailbox_command}`, undefined, undefined]],
    ],
    [
      'mailbox_transport comes before mailbox_command',
      { ...MAILBOX_COMMAND, mailbox_transport: 'lmtp:unix:private/dovecot-lmtp' },
      [['lmtp', 'mailbox_transport = lmtp:unix:private/dovecot-lmtp', undefined, undefined]],
    ],
    [
      'a pipe of master.cf, as the user of the mail',
      { virtual_mailbox_domains: 'example.org', virtual_transport: 'dovecot' },
      [['lda', 'virtual_transport = dovecot', 'mail', 'mail']],
    ],
    [
      'another program',
      { mailbox_command: '/usr/bin/procmail -a "$EXTENSION"' },
      [['other', 'mailbox_command = /usr/bin/procmail -a "$EXTENSION"', undefined, undefined]],
    ],
    [
      'virtual users and those of the system, both to Dovecot',
      { ...MAILBOX_COMMAND, virtual_mailbox_domains: 'example.org', virtual_transport: 'lmtp:x' },
      [
        ['lmtp', 'virtual_transport = lmtp:x', undefined, undefined],
        ['lda', `mailbox_command = ${MAILBOX_COMMAND.mailbox_command}`, undefined, undefined],
      ],
    ],
    ['nothing', {}, [['itself', 'home_mailbox =', undefined, undefined]]],
    [
      'where virtual users have Dovecot, the system’s own mail does not count',
      { virtual_mailbox_domains: 'example.org', virtual_transport: 'lmtp:x' },
      [['lmtp', 'virtual_transport = lmtp:x', undefined, undefined]],
    ],
  ] as [string, Parameters<typeof postconf>[0], unknown][]) {
    it(`Postfix: ${what}`, async () => {
      assert.deepEqual(deliveries(await found({ postconf: postconf(settings) })), expected);
    });
  }

  for (const [what, options, expected] of [
    [
      'dovecot-lda, as somebody',
      [
        'driver = pipe',
        'group = mail',
        'user = vmail',
        'command = /usr/lib/dovecot/dovecot-lda -d $local_part',
      ],
      [['lda', 'transport local_delivery', 'vmail', 'mail']],
    ],
    [
      'lmtp by a socket',
      ['driver = lmtp', 'group = ', 'user = ', 'socket = /run/dovecot/lmtp'],
      [['lmtp', 'transport local_delivery', undefined, undefined]],
    ],
    [
      'lmtp by TCP',
      ['driver = smtp', 'protocol = lmtp'],
      [['lmtp', 'transport local_delivery', undefined, undefined]],
    ],
    [
      'itself',
      ['driver = appendfile', 'file = /var/mail/$local_part'],
      [['itself', 'transport local_delivery', undefined, undefined]],
    ],
  ] as [string, string[], unknown][]) {
    it(`Exim: ${what}`, async () => {
      assert.deepEqual(deliveries(await found({ exim4: exim(options) })), expected);
    });
  }

  it('does not guess where a configuration says nothing of it', async () => {
    const view = await found({ postconf: postconf({ local_transport: 'error:none here' }) });
    assert.equal(view.mta, undefined);
    assert.match(view.problem, /Postfix does not say it plainly/);
  });
});
