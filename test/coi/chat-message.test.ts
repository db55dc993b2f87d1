import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isChatMessage } from '../../src/coi/chat-message.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';

const judge = (header: string) => isChatMessage(parseHeaderBlock(Buffer.from(`${header}\n\nbody`)));

const CASES: Record<string, [header: string, isChat: boolean][]> = {
  'the `Chat-Version` header is present': [
    ['Chat-Version: 1.0', true],
    ['Chat-Version: 1.0;name=value', true],
    ['chat-version: 2.0', true],
    ['CHAT-VERSION:', true],
    ['Chat-Version : 1.0', true],
    ['Subject: x\r\nChat-Version:\r\n 1.0\r\nTo: y', true],
    ['X-Chat-Version: 1.0', false],
    ['Chat-Versions: 1.0', false],
    ['Chat-Content: status', false],
    ['Subject: x\n Chat-Version: 1.0', false],
    ['Subject: x\n\nChat-Version: 1.0', false],
  ],
  'the `Message-ID` header starts with `chat$`': [
    ['Message-ID: <chat$S2571BC.2878&8@example.com>', true],
    ['message-id:<chat$1@x>', true],
    ['Message-ID:\n <chat$1@x>', true],
    ['Message-ID:\r\n\t<chat$1@x>', true],
    ['Message-ID: (generated) <chat$1@x>', true],
    ['Message-ID: chat$1@x', true],
    ['Message-ID: <chat$>', true],
    ['Message-ID: <<chat$1@x>>', true],
    ['Message-ID: < chat$1@x >', true],
    ['Message-ID: <cha\n t$1@x>', true],
    ['Message-ID: <"chat$1"@x>', true],
    ['Message-ID: <Chat$1@x>', false],
    ['Message-ID: <CHAT$1@x>', false],
    ['Message-ID: <chat.1@x>', false],
    ['Message-ID: <xchat$1@x>', false],
    ['Message-ID: <1@chat$>', false],
    ['Message-ID: <coi$1@x>', false],
    ['Message-ID: (<chat$1@x>) <1@x>', false],
    ['Message-ID: <1@x>\nMessage-ID: <chat$1@x>', false],
    ['Message-ID:', false],
    ['Message-ID: <>', false],
    ['Resent-Message-ID: <chat$1@x>', false],
  ],
  'the first message-ID in the `References` header starts with `chat$`': [
    ['References: <chat$1@x>', true],
    ['REFERENCES: <chat$1@x> <2@x>', true],
    ['References:\n <chat$1@x>\n <2@x>', true],
    ['References: (thread) <chat$1@x>', true],
    ['References: chat$1@x 2@x', true],
    ['Message-ID: <1@x>\nReferences: <chat$1@x>', true],
    ['References: <1@x> <chat$1@x>', false],
    ['References: 1@x chat$1@x', false],
    ['References: (<chat$1@x>) <1@x>', false],
    ['References: <Chat$1@x>', false],
    ['References:', false],
    // "contrary to" the archived specification, these two say nothing
    ['In-Reply-To: <chat$1@x>', false],
    ['Reference: <chat$1@x>', false],
  ],
};

describe('isChatMessage', () => {
  for (const [rule, cases] of Object.entries(CASES)) {
    describe(rule, () => {
      for (const [header, isChat] of cases) {
        test(`${isChat ? 'chat' : 'no chat'}: ${JSON.stringify(header)}`, () => {
          assert.equal(judge(header), isChat);
        });
      }
    });
  }

  const messages: [name: string, isChat: boolean][] = [
    ['chat-text', true],
    ['chat-flowed', true],
    ['group-reply', true],
    ['folded-message-id', true],
    ['no-body', true],
    ['ordinary-mail', false],
    ['delivery-report', false],
    ['garbage', false],
  ];
  for (const [name, isChat] of messages) {
    test(`${isChat ? 'chat' : 'no chat'}: ${name}.eml`, () => {
      const raw = readFileSync(new URL(`../fixtures/messages/${name}.eml`, import.meta.url));
      assert.equal(isChatMessage(parseHeaderBlock(raw)), isChat);
    });
  }
});
