import assert from 'node:assert/strict';
import { createECDH } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { before, it } from 'node:test';
import ece from 'http_ece';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { describeVersions } from '../../support/dovecot-versions.ts';
import type { ImapClient } from '../../support/imap-client.ts';
import { fixtureFields } from '../../support/fixture-fields.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import {
  startScriptedPushService,
  type ArrivedPush,
  type ScriptedPushService,
  type UserAgent,
} from '../../support/scripted-push-service.ts';
import { fixture, startStage, type Stage, type StageOptions } from '../../support/start-stage.ts';
import { bodyOf, readStoredMessage } from '../../support/stored-message.ts';
import { subscribe } from '../../support/subscribe.ts';
import { coiAccount, deliverTo, userScript } from '../conformance/steps.ts';

/** How a message gets to the sidecar, and so into its push. */
interface Road {
  options: (version: DovecotVersion) => StageOptions;
  /** Put in front of every message. */
  header: string;
  /** What the cache of classified messages answers for a message with a Message-ID. */
  cache: 'hit' | 'miss';
}

/** The users' own scripts, and none before them. */
const SIEVE_ALONE = {
  '2.3': `protocol lmtp {
    mail_plugins = $mail_plugins sieve
  }
  plugin {
    sieve_before =
  }`,
  '2.4': `protocol lmtp {
    mail_plugins {
      sieve = yes
    }
  }`,
};

const roads: Record<string, Road> = {
  'classify, for chat': {
    options: () => ({}),
    header: 'Chat-Version: 1.0\r\n',
    cache: 'hit',
  },
  'doveadm fetch, for everything else': {
    options: (version) => ({ classify: 'none', extraConfig: SIEVE_ALONE[version] }),
    header: '',
    cache: 'miss',
  },
};

const dates: Record<string, string | undefined> = {
  'Mon, 4 Dec 2023 15:51:37 +0100': '2023-12-04T15:51:37+01:00',
  'Thu, 29 Feb 2024 23:59:60 -0930': '2024-02-29T23:59:59-09:30',
  'Sat, 1 Jan 2000 00:00:00 +1400 (LINT)': '2000-01-01T00:00:00+14:00',
  '5 Dec 19 09:01 PDT': '2019-12-05T09:01:00-07:00',
  'Thu, 30 Feb 2023 08:00:00 +0100': undefined,
  yesterday: undefined,
};

const SHORT_BODIES = {
  plain: Buffer.from('One line\r\n\r\nand another\r\n'),
  UTF8: Buffer.from('Grüße, 日本 🙂\r\n'.repeat(100)),
  latin1: Buffer.from('Grüße\r\n', 'latin1'),
};

const octets = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

for (const [name, road] of Object.entries(roads)) {
  describeVersions(`what a push says, by way of ${name}`, (version) => {
    let stage: Stage;
    let service: ScriptedPushService;
    let agent: UserAgent;
    let user: string;
    let client: ImapClient;

    const teardown = createTeardown();
    before(async () => {
      stage = await startStage({
        ...{ version, ...road.options(version), authorities: [makeCertificates().ca] },
      });
      teardown.defer(() => stage.close());
      service = await startScriptedPushService();
      teardown.defer(() => service.close());
      agent = await service.addUserAgent();
      ({ user, client } = await coiAccount(stage, 'none'));
      await subscribe(client, agent);
    });

    async function push(message: Buffer | string): Promise<ArrivedPush> {
      await agent.drain();
      await deliverTo(stage, user, Buffer.concat([Buffer.from(road.header), Buffer.from(message)]));
      return agent.next();
    }

    const cacheLookups = async (result: Road['cache']): Promise<number> => {
      const { values } = await stage.app.ground.metrics.cacheLookups.get();
      const is = values.find(
        ({ labels }) => labels.cache === 'messages' && labels.result === result,
      );
      return is?.value ?? 0;
    };

    for (const [file, fields] of Object.entries(fixtureFields)) {
      it(`${file}.eml: its fields, and its body as it is stored`, async () => {
        const lookups = await cacheLookups(road.cache);
        const { payload, body } = await push(fixture(`${file}.eml`));

        const { uid, uidvalidity, folder, content, ...rest } = payload;
        const stored = bodyOf(readStoredMessage(stage.dovecot, user, Number(uid)));
        const [shown, encoding] = contentOf(stored);
        assert.equal(content, shown);
        const { 'content-type': type, 'content-encoding': own, ...always } = fields;
        assert.deepEqual(rest, {
          ...always,
          ...(shown !== undefined && type !== undefined && { 'content-type': type }),
          ...(encoding !== undefined && { 'content-encoding': encoding }),
          ...(own !== undefined && { 'content-encoding': own }),
        });
        const { untagged } = await client.ok('STATUS INBOX (UIDNEXT UIDVALIDITY)');
        const status = `UIDNEXT ${Number(uid) + 1} UIDVALIDITY ${String(uidvalidity)}`;
        assert.ok(untagged.join().includes(status), untagged.join());
        assert.equal(folder, 'INBOX');
        // Without a Message-ID nothing can be looked up: the message is fetched.
        const looked = 'msg-id' in fields ? 1 : 0;
        assert.equal(await cacheLookups(road.cache), lookups + looked, 'it came by this road');
        // WebCrypto has decrypted it; so must the library that user agents are tested with.
        assert.deepEqual(await readWithHttpEce(body, agent), payload);
      });
    }

    /** The field and its encoding for a body, by the octets that lie in the Maildir. */
    function contentOf(stored: Buffer): [content: string | undefined, encoding?: string] {
      if (stored.length === 0) return [undefined];
      if (isUtf8(stored) && !stored.includes(0)) return [stored.toString()];
      return [stored.toString('base64'), 'base64'];
    }

    it('the longest body that fits is there, one octet more is not', async () => {
      const text = (length: number): string =>
        `Message-ID: <fits@example.org>\r\n\r\n${'y'.repeat(length - 1)}\r\n`;
      const { payload } = await push(text(10));
      const room = 3_993 - octets({ ...payload, content: '' });
      const fitting = await push(text(room - 1)); // the line end takes two octets of JSON
      assert.equal(octets(fitting.payload), 3_993);
      assert.equal(fitting.body.length, 4_096);
      const { payload: longer } = await push(text(room));
      assert.equal('content' in longer, false);
      assert.equal(longer['msg-id'], 'fits@example.org');
    });

    // As Exchange makes them.
    for (const length of [17_800, 60_000, 250_000]) {
      for (const [what, body] of Object.entries(SHORT_BODIES)) {
        it(`a short body comes along behind a header of ${length} octets (${what})`, async () => {
          const line = `X-MS-Exchange-Transport: ${'y'.repeat(500)}\r\n`;
          const header = `Subject: long\r\nMessage-ID: <${length}@example.org>\r\n`;
          const { payload } = await push(
            Buffer.concat([
              Buffer.from(header + line.repeat(length / line.length)),
              Buffer.from('Content-Type: text/plain\r\n\r\n'),
              body,
            ]),
          );
          assert.equal(payload['subject'], 'long');
          const [shown, encoding] = contentOf(
            bodyOf(readStoredMessage(stage.dovecot, user, Number(payload['uid']))),
          );
          assert.equal(payload['content'], shown);
          assert.equal(payload['content-encoding'], encoding);
        });
      }
    }

    for (const [date, shown] of Object.entries(dates)) {
      it(`Date: ${date} → ${shown ?? 'left out'}`, async () => {
        const { payload } = await push(
          `Date: ${date}\r\nMessage-ID: <date@example.org>\r\n\r\nx\r\n`,
        );
        assert.equal(payload['date'], shown);
        assert.equal('date' in payload, shown !== undefined);
      });
    }

    for (const mailbox of ['Entwürfe/Größe', 'Töpfe & Pfannen', '日本語', 'f'.repeat(201)]) {
      const shown = mailbox.length > 200 ? undefined : mailbox;
      it(`folder ${mailbox.slice(0, 20)}: ${shown ? 'as users see it' : 'left out'}`, async () => {
        const script = `require ["fileinto", "mailbox"]; fileinto :create "${mailbox}";`;
        await userScript(stage, user, script);
        const { payload } = await push('Message-ID: <folder@example.org>\r\n\r\nx\r\n');
        assert.equal(payload['folder'], shown);
        assert.equal('folder' in payload, shown !== undefined);
        await userScript(stage, user, 'keep;');
      });
    }
  });
}

async function readWithHttpEce(body: Buffer, { secrets }: UserAgent): Promise<unknown> {
  const { d = '' } = await crypto.subtle.exportKey('jwk', secrets.privateKey);
  const privateKey = createECDH('prime256v1');
  privateKey.setPrivateKey(d, 'base64url');
  const authSecret = Buffer.from(secrets.auth);
  return JSON.parse(ece.decrypt(body, { version: 'aes128gcm', privateKey, authSecret }).toString());
}
