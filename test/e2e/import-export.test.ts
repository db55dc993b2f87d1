import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { runCommand, type CommandResult } from '../../src/cli/demo/run-command.ts';
import { formatFileDict, parseFileDict } from '../../src/dovecot/file-dict.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { cryptokey, mailCrypt, type CryptKeys } from '../support/mail-crypt.ts';
import { ImapClient } from '../support/imap-client.ts';
import { stageConfig, startStage, VENDOR, type Stage } from '../support/start-stage.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const USER = 'bob@example.org';
const DICT = 'dovecot-attributes';
const SECRET = 'only mail-crypt can read this';

/** Keys of each user in the attribute dict: to lose one is to lose mail. */
/** A Dovecot that knows nothing of a sidecar, and has a `file:` dict. */
const ownDict = { metadata: 'doveadm', notices: false, classify: 'none', events: 'none' } as const;

/** Annotations of every kind that IMAP lets a client make. */
const ANNOTATIONS: [mailbox: string, entry: string, value: string][] = [
  ['INBOX', '/private/comment', 'tab\there, "quotes", \\, ünïcode 🥗,\r\nand a new line'],
  ['INBOX', '/shared/comment', 'for everyone'],
  ['Fo&APY-/Bar', '/private/vendor/example/odd.key+with=signs', 'x'.repeat(2_000)],
  ['Fo&APY-/Bar', '/shared/comment', '\u0001 and \u007f'],
  ['', '/private/comment', 'of the server'],
  ['', `${VENDOR}/coi/config/enabled`, 'yes'],
  ['', `${VENDOR}/coi/config/message-filter`, 'seen'],
];

async function readAnnotations(client: ImapClient): Promise<(string | null | undefined)[]> {
  const values: (string | null | undefined)[] = [];
  for (const [mailbox, entry] of ANNOTATIONS) {
    values.push((await client.getMetadata(mailbox, [entry])).get(entry));
  }
  return values;
}

async function readMail(client: ImapClient): Promise<string> {
  await client.ok('EXAMINE INBOX');
  return (await client.ok('FETCH 1 BODY.PEEK[TEXT]')).untagged.join();
}

const open = (dovecot: PrivateDovecot): Promise<ImapClient> =>
  ImapClient.open(dovecot.imap, { user: USER, password: dovecot.password });

/** Moves all mail, as an administrator moves a disk. */
const moveMail = (from: PrivateDovecot, to: PrivateDovecot): Promise<CommandResult> =>
  runCommand('cp', ['-a', `${from.layout.mailDir}/.`, to.layout.mailDir]);

const KEYS: Record<CryptKeys, string> = {
  bare: 'keys for whoever can read the dict',
  password: 'keys that open with the user’s password only',
};
const runs = dovecotVersions.flatMap((dovecot) =>
  (['bare', 'password'] as const).map((keys) => ({ ...dovecot, keys })),
);
for (const { version, skip, keys } of runs) {
  describe(`coming and going with Dovecot ${version}, ${KEYS[keys]}`, { skip }, () => {
    const crypt = mailCrypt(version, keys);
    let origin: PrivateDovecot;
    let stage: Stage;
    let configFile: string;
    let original: Buffer;
    let exported: string;
    const cli = (...args: string[]): Promise<CommandResult> =>
      runCommand(process.execPath, [MAIN, ...args, '--config', configFile]);
    const sorted = (dict: Buffer): Buffer => formatFileDict(parseFileDict(dict).entries);

    const teardown = createTeardown();
    before(async () => {
      origin = await startPrivateDovecot({ ...ownDict, version, ...crypt });
      teardown.defer(() => origin.stop());
      await cryptokey(origin, keys, 'generate', USER);
      const client = await open(origin);
      await client.ok('CREATE "Fo&APY-/Bar"');
      for (const [mailbox, entry, value] of ANNOTATIONS) {
        const { status, text } = await client.setMetadata(mailbox, entry, value);
        assert.equal(status, 'OK', `${entry}: ${text}`);
      }
      const { replies } = await deliver(
        origin.lmtp,
        'a@example.org',
        [USER],
        `Subject: x\r\n\r\n${SECRET}\r\n`,
      );
      assert.equal(replies[0]?.code, 250);
      assert.match(await readMail(client), new RegExp(SECRET));
      await client.close();
      original = await readFile(join(origin.layout.mailDir, USER, DICT));

      stage = await startStage({
        ...{ version, ...crypt, metadata: 'dict', classify: 'none', events: 'none' },
      });
      teardown.defer(() => stage.close());
      const { dir } = stage.dovecot.layout;
      configFile = join(dir, 'coi-sidecar.yaml');
      await writeFile(configFile, JSON.stringify(stageConfig(stage.dovecot, join(dir, 'ca.pem'))));
      await moveMail(origin, stage.dovecot);
      exported = join(dir, 'exported');
    });

    it('the mail is encrypted, and the dict has the keys', async () => {
      const box = join(origin.layout.mailDir, USER);
      const files = await readdir(box, { recursive: true });
      const mail = files.find((name) => /\/(new|cur)\/\d/.test(name)) ?? '';
      assert.doesNotMatch(await readFile(join(box, mail), 'latin1'), new RegExp(SECRET));
      const { entries } = parseFileDict(original);
      const names = entries.map(({ key }) => key);
      assert.ok(
        names.some((name) => name.startsWith('shared/')),
        names.join('\n'),
      );
      // "2:<curve's OID>:<0 as it is, 1 by another key, 2 by a password>:…" (lib-dcrypt/dcrypt-openssl.c)
      const userKey = entries.find(({ key }) => /pvt\/server\/.*\/privkeys\//.test(key));
      const encryption = /^2:[\d.]+:([012]):/.exec(userKey?.value.toString() ?? '')?.[1];
      assert.equal(encryption, { bare: '0', password: '2' }[keys], names.join('\n'));
    });

    it('import --dry-run counts everything and changes nothing', async () => {
      const { exitCode, stdout, stderr } = await cli(
        'import',
        '--file',
        '%h/' + DICT,
        '--dry-run',
        USER,
      );
      assert.equal(exitCode, 0, stderr + stdout);
      assert.match(stdout, /^settings +2 +0 +0 +0$/m);
      assert.match((await cli('users')).stdout, /No user/);
    });

    it('import takes the file in while the service runs, and finds nothing new the second time', async () => {
      const args = ['import', '--file', '~/' + DICT, USER, '--json'];
      const first = await cli(...args);
      assert.equal(first.exitCode, 0, first.stderr + first.stdout);
      const count = parseFileDict(original).entries.length;
      const totals = (result: CommandResult) =>
        (JSON.parse(result.stdout) as { totals: Record<string, unknown> }).totals;
      const tally = { added: 0, changed: 0, unchanged: 0, kept: 0 };
      assert.deepEqual(totals(first)['annotations'], { ...tally, added: count - 2 });
      assert.deepEqual(totals(first)['settings'], { ...tally, added: 2 });
      const second = await cli(...args);
      assert.deepEqual(totals(second)['annotations'], { ...tally, unchanged: count - 2 });
      assert.deepEqual(totals(second)['settings'], { ...tally, unchanged: 2 });
    });

    it('GETMETADATA through the sidecar answers as before, and the mail can be read', async () => {
      const client = await stage.login(USER);
      assert.deepEqual(
        await readAnnotations(client),
        ANNOTATIONS.map(([, , value]) => value),
      );
      assert.match(await readMail(client), new RegExp(SECRET));
    });

    it('annotations are the same after a restart', async () => {
      await stage.restart();
      const client = await stage.login(USER);
      assert.deepEqual(
        await readAnnotations(client),
        ANNOTATIONS.map(([, , value]) => value),
      );
      assert.match(await readMail(client), new RegExp(SECRET));
    });

    it('export writes the very file that was imported, but for the order of its lines', async () => {
      const { exitCode, stdout, stderr } = await cli('export', '--file', exported, USER);
      assert.equal(exitCode, 0, stderr + stdout);
      const written = await readFile(exported);
      assert.equal(written.toString('latin1'), sorted(original).toString('latin1'));
      const printed = await cli('export', USER);
      assert.equal(printed.stdout, written.toString());
    });

    it('import --doveadm finds the same in whatever dict Dovecot has', async () => {
      const file = join(stage.dovecot.layout.dir, 'other.yaml');
      const { http } = stageConfig(stage.dovecot, '');
      const { url, apiKey } = origin.doveadm;
      await writeFile(file, JSON.stringify({ http, doveadm: { url, api_key: apiKey } }));
      const args = ['import', '--doveadm', USER, '--json', '--config', file];
      const { exitCode, stdout, stderr } = await runCommand(process.execPath, [MAIN, ...args]);
      assert.equal(exitCode, 0, stderr + stdout);
      const { totals, users } = JSON.parse(stdout) as {
        totals: Record<string, unknown>;
        users: { skippedEntries: unknown }[];
      };
      assert.deepEqual(users[0]?.skippedEntries, []);
      const count = parseFileDict(original).entries.length;
      const tally = { added: 0, changed: 0, unchanged: 0, kept: 0 };
      assert.deepEqual(totals['annotations'], { ...tally, unchanged: count - 2 });
      assert.deepEqual(totals['settings'], { ...tally, unchanged: 2 });
    });

    it('a stock Dovecot goes on with the exported file: annotations and mail are there', async () => {
      const leaving = await startPrivateDovecot({ ...ownDict, version, ...crypt });
      try {
        await moveMail(stage.dovecot, leaving);
        const dict = join(leaving.layout.mailDir, USER, DICT);
        await runCommand('sh', ['-c', 'cat "$0" > "$1"', exported, dict]);
        const client = await open(leaving);
        assert.deepEqual(
          await readAnnotations(client),
          ANNOTATIONS.map(([, , value]) => value),
        );
        assert.match(await readMail(client), new RegExp(SECRET));
        await client.close();
        assert.deepEqual(leaving.errors(), []);
      } finally {
        await leaving.stop();
      }
    });

    it('Dovecot’s log is clean', () => {
      assert.deepEqual(stage.dovecot.errors(), []);
      assert.deepEqual(origin.errors(), []);
    });
  });
}
