import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
import {
  append,
  BOB,
  EVE,
  movedAside,
  newPerson,
  places,
  pushedSubjects,
} from './conformance/blocking-steps.ts';
import {
  chat,
  contact,
  deliverTo,
  mail,
  settle,
  subjectsIn,
  userScript,
} from './conformance/steps.ts';

for (const { version, skip } of dovecotVersions) {
  describe(`messages of blocked contacts on Dovecot ${version}`, { skip }, () => {
    let relay: TcpRelay;
    let stage: Stage;

    const teardown = createTeardown();
    before(async () => {
      relay = await startTcpRelay();
      teardown.defer(() => relay.close());
      const doveadm = { url: `http://127.0.0.1:${relay.port}/doveadm/v1`, timeout: '60 secs' };
      stage = await startStage({
        version,
        config: { doveadm, coi: { contacts_lifetime: '2 secs' } },
      });
      teardown.defer(() => stage.close());
      const isDown = /: they wait in the event log$|program .coi-classify. not found/;
      teardown.defer(() => {
        const others = stage.dovecot.errors().filter((line) => !isDown.test(line));
        assert.deepEqual(others, []);
      });
      relay.target = Number(new URL(stage.dovecot.doveadm.url).port);
    });

    it('come through again from the moment that the contact is expunged, or replaced', async () => {
      const person = await newPerson(stage);
      const { client, user } = person;
      await append(person, contact(['eve@example.org']));
      await deliverTo(stage, user, chat(EVE, 'Subject: blocked'));
      await append(person, contact(['eve@example.org'], []));
      await client.ok('SELECT COI/Contacts');
      await client.ok('UID STORE 1 +FLAGS.SILENT (\\Deleted)');
      await client.ok('EXPUNGE');
      await client.ok('UNSELECT');
      await deliverTo(stage, user, chat(EVE, 'Subject: heard again'));
      assert.deepEqual(await pushedSubjects(stage, person), ['heard again']);
      assert.equal((await places(person)).blocked.length, 1);
    });

    it('come through where COI is not enabled', async () => {
      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      await person.client.setMetadata(
        '',
        '/private/vendor/vendor.dovecot/coi/config/enabled',
        null,
      );
      await deliverTo(stage, person.user, chat(EVE, 'Subject: x'));
      assert.equal((await places(person)).inbox.length, 1);
    });

    it('a contact that doveadm saved counts after coi.contacts_lifetime at the latest', async () => {
      const person = await newPerson(stage);
      await deliverTo(stage, person.user, chat(EVE, 'Subject: not yet'));
      const { exitCode, stderr } = await stage.dovecot.runDoveadm(
        ['save', '-u', person.user, '-m', 'COI/Contacts'],
        contact(['eve@example.org']),
      );
      assert.equal(exitCode, 0, stderr);
      await eventually(async () => {
        await deliverTo(stage, person.user, chat(EVE, 'Subject: some time'));
        // More than one, where Sieve could not ask in time.
        assert.notEqual((await places(person)).blocked.length, 0);
      }, 20_000);
    });

    it('while the sidecar is down, wait in INBOX, and are set aside on return', async () => {
      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      await settle(stage);
      await stage.app.stop();
      await deliverTo(stage, person.user, chat(EVE, 'Subject: meanwhile'));
      assert.deepEqual((await places(person)).inbox, [['$Chat']]);
      await stage.restart();
      await eventually(async () => assert.deepEqual((await places(person)).blocked, [['$Chat']]));
      assert.deepEqual(await pushedSubjects(stage, person), []);
    });

    it('while Contacts cannot be read, are delivered in time, and set aside once it can', async () => {
      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      relay.mode = 'hang'; // ends connections that were open
      relay.mode = 'hold';
      const { elapsedMsecs } = await deliverTo(stage, person.user, chat(EVE, 'Subject: slow'));
      assert.ok(elapsedMsecs < 3_000, `LMTP took ${elapsedMsecs} ms`);
      relay.mode = 'pass';
      await settle(stage);
      const { inbox, chats, blocked } = await places(person);
      assert.deepEqual([inbox, chats, blocked], [[], [], [['$Chat']]]);
      assert.deepEqual(await pushedSubjects(stage, person), []);
      assert.ok((await movedAside(stage)) > 0);
    });

    it('without a Blocked mailbox, make one', async () => {
      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      await person.client.ok('DELETE Blocked');
      await deliverTo(stage, person.user, chat(EVE, 'Subject: x'));
      await eventually(async () => assert.deepEqual((await places(person)).blocked, [['$Chat']]));
      assert.deepEqual(await pushedSubjects(stage, person), []);
    });

    it('ordinary mail too, wherever a script of the user files it, and what waited meanwhile', async () => {
      const person = await newPerson(stage);
      const filing = 'require ["fileinto", "mailbox"]; fileinto :create "100% lists";';
      await userScript(stage, person.user, filing);
      await append(person, contact(['eve@example.org']));
      await deliverTo(stage, person.user, mail(EVE, 'Subject: one'));
      await deliverTo(stage, person.user, mail(BOB, 'Subject: two'));
      await settle(stage);
      await stage.app.stop();
      await deliverTo(stage, person.user, mail(EVE, 'Subject: three'));
      await deliverTo(stage, person.user, mail(BOB, 'Subject: four'));
      await stage.restart();
      await eventually(async () =>
        assert.deepEqual(await subjectsIn(person.client, 'Blocked'), ['one', 'three']),
      );
      await settle(stage);
      assert.deepEqual(await subjectsIn(person.client, '100% lists'), ['two', 'four']);
      assert.deepEqual(await pushedSubjects(stage, person), ['two', 'four']);
    });

    it('ordinary mail whose second From field, or seventeenth, is theirs', async () => {
      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      const others = Array.from({ length: 15 }, (_, n) => `From: user${n}@example.org`);
      await deliverTo(stage, person.user, mail(BOB, EVE, 'Subject: second'));
      await deliverTo(stage, person.user, mail(BOB, ...others, EVE, 'Subject: seventeenth'));
      await deliverTo(stage, person.user, mail(BOB, ...others, 'Subject: none'));
      await deliverTo(
        stage,
        person.user,
        mail(BOB, `From: ${'x'.repeat(300_000)}`, 'Subject: large'),
      );
      await settle(stage);
      assert.deepEqual(await subjectsIn(person.client, 'INBOX'), ['none']);
      const blocked = await subjectsIn(person.client, 'Blocked');
      assert.deepEqual(blocked.toSorted(), ['large', 'second', 'seventeenth']);
      assert.deepEqual(await pushedSubjects(stage, person), ['none']);
    });

    it('ordinary mail before it is stored, without $Chat, where coi.sieve asks about every mail', async () => {
      const script = join(stage.dovecot.layout.coiDir, 'coi.sieve');
      const text = await readFile(script, 'utf8');
      const asking = text.replace(/^if anyof \(\n/m, '$&  true,\n');
      assert.notEqual(asking, text);
      await writeFile(script, asking);
      const { exitCode, stderr } = await stage.dovecot.runProgram('sievec', [script]);
      assert.equal(exitCode, 0, stderr);

      const person = await newPerson(stage);
      await append(person, contact(['eve@example.org']));
      await deliverTo(stage, person.user, mail(EVE, 'Subject: ordinary'));
      await deliverTo(stage, person.user, mail(BOB, 'Subject: other'));
      const { inbox, chats, blocked } = await places(person);
      assert.deepEqual([inbox, chats, blocked], [[[]], [], [[]]]);
      assert.deepEqual(await pushedSubjects(stage, person), ['other']);
    });
  });
}
