import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { type PrivateDovecot, startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { ImapClient } from '../support/imap-client.ts';
import {
  type RecordingHttpServer,
  startRecordingHttpServer,
} from '../support/recording-http-server.ts';
import { type ScriptStandIn, startScriptStandIn } from '../support/script-stand-in.ts';

const ordinary = (headers = ''): string =>
  `From: bob@example.org\nTo: alice@example.org\nSubject: x\n${headers}\nHi\n`;
const CHAT = ordinary('Chat-Version: 1.0\nMessage-ID: <chat$1@example.org>\n');

/** What the sidecar says: null is "failed", undefined is no answer at all. */
let answer: string | null | undefined = 'keep';

interface Road {
  name: string;
  classify: 'socket' | 'http';
  /** Users and messages that reached the stand-in. */
  asked: () => { user: string; message: string }[];
}

/** Where a message is for a user, as `mailbox:keywords`. */
async function locate(dovecot: PrivateDovecot, user: string): Promise<string[]> {
  const imap = await ImapClient.open(dovecot.imap, { user, password: dovecot.password });
  const found: string[] = [];
  for (const mailbox of ['INBOX', 'COI/Chats', 'COI/Ch&AOQ-ts 2', 'Mine']) {
    const selected = await imap.command(`SELECT "${mailbox}"`);
    if (selected.status !== 'OK' || selected.untagged.includes('0 EXISTS')) continue;
    for (const line of (await imap.ok('FETCH 1:* (FLAGS)')).untagged) {
      const keywords = line.match(/[$A-Za-z\\]+(?=[ )])/g)?.filter((word) => word.startsWith('$'));
      found.push([mailbox, ...(keywords ?? [])].join(' '));
    }
  }
  await imap.close();
  return found;
}

async function newUser(dovecot: PrivateDovecot, ...mailboxes: string[]): Promise<string> {
  const user = `${randomUUID().slice(0, 8)}@example.org`;
  const imap = await ImapClient.open(dovecot.imap, { user, password: dovecot.password });
  for (const mailbox of mailboxes) await imap.ok(`CREATE "${mailbox}"`);
  await imap.close();
  return user;
}

const roads: Road[] = [];
let http: RecordingHttpServer;
let script: ScriptStandIn;
roads.push(
  {
    name: 'socket',
    classify: 'socket',
    asked: () => script.requests.map(({ env, message }) => ({ user: env['USER'] ?? '', message })),
  },
  {
    name: 'coi-classify over HTTP',
    classify: 'http',
    asked: () =>
      http.requests
        .filter(({ path }) => path.startsWith('/v1/classify'))
        .map(({ path, body }) => ({
          user: new URLSearchParams(path.split('?')[1]).get('user') ?? '',
          message: body.toString('latin1'),
        })),
  },
);

for (const { version, skip } of dovecotVersions)
  for (const road of roads) {
    describe(`coi.sieve, ${road.name}, Dovecot ${version}`, { skip }, () => {
      let dovecot: PrivateDovecot;

      const teardown = createTeardown();
      before(async () => {
        http = await startRecordingHttpServer(() =>
          answer === undefined
            ? null
            : answer === null
              ? { status: 500 }
              : { status: 200, body: answer },
        );
        teardown.use(http);
        dovecot = await startPrivateDovecot({
          version,
          metadata: 'none',
          classify: road.classify,
          events: 'none',
          sidecar: { url: http.url, token: 'a-token' },
          extraConfig: 'auth_username_chars =',
        });
        teardown.defer(() => dovecot.stop());
        // Pigeonhole logs two lines when a program fails; nothing else may stand there.
        const programFailed =
          /Error: (sieve: coi: line \d+: execute action: failed|(program|sieve: execute) \S+: (Execution timed out|Terminated))/;
        teardown.defer(() => {
          const others = dovecot.errors().filter((line) => !programFailed.test(line));
          assert.deepEqual(others, []);
        });
        script = teardown.use(await startScriptStandIn(dovecot.sockets.classify, () => answer));
      });

      const receive = async (user: string, message: string): Promise<string[]> => {
        const { replies } = await deliver(dovecot.lmtp, 'bob@example.org', [user], message);
        assert.deepEqual(
          replies.map(({ code }) => code),
          [250],
        );
        return locate(dovecot, user);
      };

      describe('what is shown to the sidecar', () => {
        const cases: [headers: string, shown: boolean][] = [
          ['', false],
          ['Chat-Version: 1.0\n', true],
          ['chat-version:\n', true],
          ['Message-ID: <chat$a@b>\n', true],
          ['Message-ID:\n <chat$a@b>\n', true],
          ['message-id: (a comment) <chat$a@b>\n', true],
          ['Message-ID: <CHAT$a@b>\n', false],
          ['Message-ID: <a@b>\nReferences: <chat$a@b> <c@d>\n', true],
          ['References: <chat$a@b>\n', true],
          ['In-Reply-To: <chat$a@b>\n', false],
          ['Subject: chat$\n', false],
        ];
        for (const [headers, shown] of cases) {
          test(`${JSON.stringify(headers)}: ${shown ? 'yes' : 'no'}`, async () => {
            answer = 'keep';
            const before = road.asked().length;
            const user = await newUser(dovecot);
            assert.deepEqual(await receive(user, ordinary(headers)), ['INBOX']);
            assert.equal(road.asked().length, before + Number(shown));
          });
        }
      });

      test('the whole message is shown, and whose it is', async () => {
        answer = 'keep';
        const user = `o'do=n&t${randomUUID().slice(0, 4)}@example.org`;
        await deliver(dovecot.lmtp, 'bob@example.org', [user], CHAT);
        const shown = road.asked().at(-1);
        assert.match(
          shown?.message ?? '',
          /^Return-Path: <bob@example\.org>\r\n[^]*\r\n\r\nHi\r\n$/,
        );
        assert.equal(shown?.user, user);
      });

      if (road.classify === 'socket') {
        const cases: [said: string, mailboxes: string[], questions: number][] = [
          ['file COI/Chats', ['COI/Chats'], 1],
          ['keep', [], 1],
          ['flag', ['COI/Chats'], 3],
          ['keep', ['COI/Chats'], 3],
        ];
        for (const [said, mailboxes, questions] of cases) {
          test(`${said}, ${mailboxes.join() || 'no COI'}: questions to have it`, async () => {
            answer = said;
            const user = await newUser(dovecot, ...mailboxes);
            const before = script.questions;
            await receive(user, CHAT);
            assert.equal(script.questions - before, questions);
          });
        }
      }

      test('keep: INBOX as it was', async () => {
        answer = 'keep';
        assert.deepEqual(await receive(await newUser(dovecot), CHAT), ['INBOX']);
      });

      test('flag: INBOX with $Chat', async () => {
        answer = 'flag';
        assert.deepEqual(await receive(await newUser(dovecot), CHAT), ['INBOX $Chat']);
      });

      for (const verb of ['file', 'block']) {
        test(`${verb}: in that mailbox with $Chat, nothing in INBOX`, async () => {
          answer = `${verb} COI/Chats`;
          const user = await newUser(dovecot, 'COI/Chats');
          assert.deepEqual(await receive(user, CHAT), ['COI/Chats $Chat']);
        });
      }

      test('file: a name with spaces and umlauts', async () => {
        answer = 'file COI/Chäts 2';
        const user = await newUser(dovecot, 'COI/Ch&AOQ-ts 2');
        assert.deepEqual(await receive(user, CHAT), ['COI/Ch&AOQ-ts 2 $Chat']);
      });

      describe("the user's own script, which files everything into Mine", () => {
        const userWithScript = async (): Promise<string> => {
          const user = await newUser(dovecot, 'Mine', 'COI/Chats');
          const home = join(dovecot.layout.mailDir, user);
          await writeFile(
            join(home, '.dovecot.sieve'),
            'require ["fileinto", "imap4flags"];\nif true { fileinto "Mine"; }\n',
          );
          return user;
        };
        for (const [said, place] of [
          ['keep', 'Mine'],
          ['flag', 'Mine $Chat'],
          ['file COI/Chats', 'COI/Chats $Chat'],
          ['block COI/Chats', 'COI/Chats $Chat'],
          ['file COI/Gone', 'Mine $Chat'],
          [null, 'Mine $Chat'],
        ] as const) {
          test(`${said ?? 'failure'}: ${place}`, async () => {
            answer = said;
            assert.deepEqual(await receive(await userWithScript(), CHAT), [place]);
          });
        }
        test('may not start programs', async () => {
          answer = 'keep';
          const user = await userWithScript();
          await writeFile(
            join(dovecot.layout.mailDir, user, '.dovecot.sieve'),
            'require ["fileinto", "vnd.dovecot.execute"];\nexecute "coi-classify"; fileinto "Mine";\n',
          );
          const before = road.asked().length;
          assert.deepEqual(await receive(user, ordinary()), ['INBOX']);
          assert.equal(road.asked().length, before);
        });
      });

      test('file: a mailbox that only holds others (\\NoSelect): INBOX with $Chat', async () => {
        answer = 'file COI/Chats';
        assert.deepEqual(await receive(await newUser(dovecot, 'COI/Chats/deeper'), CHAT), [
          'INBOX $Chat',
        ]);
      });

      for (const [what, said] of [
        ['a mailbox that is gone', 'file COI/Chats'],
        ['a mailbox name that cannot be', 'file ../../x\u0001'],
        ['no mailbox name', 'file '],
        ['an answer of a later version', 'frobnicate COI/Chats'],
        ['an empty answer', ''],
        ['failure', null],
      ] as const) {
        test(`${what}: INBOX with $Chat`, async () => {
          answer = said;
          assert.deepEqual(await receive(await newUser(dovecot), CHAT), ['INBOX $Chat']);
        });
      }

      test('failure, and a header that only might mean chat: INBOX without $Chat', async () => {
        answer = null;
        const user = await newUser(dovecot);
        assert.deepEqual(await receive(user, ordinary('Message-ID: <a.chat$b@c>\n')), ['INBOX']);
      });

      test('no answer: INBOX with $Chat, delayed by no more than 4 s', async () => {
        answer = undefined;
        const user = await newUser(dovecot);
        const start = performance.now();
        assert.deepEqual(await receive(user, CHAT), ['INBOX $Chat']);
        const elapsed = performance.now() - start;
        assert.ok(elapsed > 1_000 && elapsed < 4_000, `${elapsed} ms`);
      });
    });
  }
