import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import type { ImapClient } from '../support/imap-client.ts';
import { mailCrypt } from '../support/mail-crypt.ts';
import { recordLog } from '../support/record-log.ts';
import { startStage, type Stage } from '../support/start-stage.ts';

const LIMIT = 5;

/** Users give each other rights to their mailboxes; mail is encrypted. */
const SHARING = {
  '2.3': `mail_plugins = $mail_plugins acl
plugin {
  acl = vfile
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:%%h/Mail
  list = children
  subscriptions = no
}`,
  '2.4': `mail_plugins {
  acl = yes
}
acl_driver = vfile
namespace shared {
  type = shared
  separator = /
  prefix = shared/$user/
  mail_driver = maildir
  mail_path = %{owner_home}/Mail
  list = children
  subscriptions = no
}`,
};

describeVersions('a mailbox that its owner shares with a reader', (version) => {
  const recorded = recordLog();
  let stage: Stage;
  let owner: ImapClient;
  let reader: ImapClient;
  let readerName: string;
  let team: string;
  const teardown = createTeardown();
  before(async () => {
    const crypt = mailCrypt(version, 'bare');
    stage = await startStage({
      ...{ version, log: recorded.log },
      extraConfig: `${SHARING[version]}\n${crypt.extraConfig}`,
      config: { metadata: { shared_entry_limit: LIMIT } },
    });
    teardown.defer(() => stage.close());
    const ownerName = stage.freshUser();
    readerName = stage.freshUser();
    owner = await stage.login(ownerName);
    await owner.ok('CREATE Team');
    const acl = join(stage.dovecot.layout.mailDir, ownerName, 'Mail', '.Team', 'dovecot-acl');
    await writeFile(acl, `user=${readerName} lr\n`);
    reader = await stage.login(readerName);
    team = `shared/${ownerName}/Team`;
  });

  const annotate = async (
    client: ImapClient,
    mailbox: string,
    name: string,
    value: string | null,
  ) => (await client.setMetadata(mailbox, `/shared/${name}`, value)).status;

  it('may be annotated for all by the reader, up to the limit, and the log says by whom', async () => {
    for (let n = 0; n < LIMIT; n++) assert.equal(await annotate(reader, team, `x${n}`, 'v'), 'OK');
    assert.equal(await annotate(reader, team, 'more', 'v'), 'NO');
    const [line] = recorded.lines.filter(({ msg }) => msg === 'dict: limit reached');
    assert.equal(line?.['user'], readerName, 'the one who is logged in, not the owner');
    for (const internal of ['pvt/x', 'pvt/crypt/active', 'PVT/crypt/active'])
      for (const mailbox of [team, 'INBOX', '']) {
        const name = `vendor/vendor.dovecot/${internal}`;
        assert.equal(await annotate(reader, mailbox, name, 'v'), 'NO', `${mailbox} ${name}`);
      }
  });

  it('takes mail all the same: the key that mail_crypt makes for it has room', async () => {
    await owner.ok('APPEND Team', 'Subject: secret\r\n\r\nHello\r\n');
    await reader.ok(`STATUS "${team}" (MESSAGES)`);
  });

  it('has room again once the owner has removed what the reader left', async () => {
    assert.equal(await annotate(owner, 'Team', 'mine', 'v'), 'NO');
    for (let n = 0; n < LIMIT; n++)
      assert.equal(await annotate(owner, 'Team', `x${n}`, null), 'OK');
    assert.equal(await annotate(owner, 'Team', 'mine', 'v'), 'OK');
  });
});
