import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findChatGroupId } from '../../src/messages/find-chat-group-id.ts';

describe('findChatGroupId', () => {
  const inGroup = '<chat$group.4321dcba1234.S2571BC.2878&8@sample.com>';
  const inOther = '<chat$group.another-group_1.S2571BC@sample.com>';
  const cases: [
    what: string,
    messageId: string | undefined,
    references: string | undefined,
    id: string | undefined,
  ][] = [
    ['from the Message-ID', inGroup, undefined, '4321dcba1234'],
    ['from the first reference of a reply', '<1@x>', `${inGroup} ${inOther}`, '4321dcba1234'],
    ['not from a later reference', '<1@x>', `<2@x> ${inGroup}`, undefined],
    ['the Message-ID goes before the references', inOther, inGroup, 'another-group_1'],
    ['without a Message-ID', undefined, inGroup, '4321dcba1234'],
    ['with neither', undefined, undefined, undefined],
    ['behind a comment and folding', `(c)\t${inGroup}`, undefined, '4321dcba1234'],
    ['case is kept', '<chat$group.ABCDabcd_-12.1@x>', undefined, 'ABCDabcd_-12'],
    ['without brackets', 'chat$group.4321dcba1234.1@x', undefined, '4321dcba1234'],
    ['in quotes', '<"chat$group.4321dcba1234.1"@x>', undefined, '4321dcba1234'],
    ['no domain', '<chat$group.4321dcba1234.1>', undefined, '4321dcba1234'],
    ['not in another letter case', '<Chat$Group.4321dcba1234.1@x>', undefined, undefined],
    ['not without a group', '<chat$4321dcba1234.1@x>', undefined, undefined],
    ['not the older prefix', '<coi$group.4321dcba1234.1@x>', undefined, undefined],
    ['not within an id', '<x.chat$group.4321dcba1234.1@x>', undefined, undefined],
    ['not without a unique part', '<chat$group.4321dcba1234@x>', undefined, undefined],
    ['not with an empty unique part', '<chat$group.4321dcba1234.', undefined, undefined],
    ['not with other characters', '<chat$group.4321dcba1234+5.1@x>', undefined, undefined],
    ['not from the references of a COI client’s reply to one', '<chat$99.1@x>', inGroup, undefined],
    ['the same in quotes', '<"chat$99.1"@x>', inGroup, undefined],
    ['from those of a reply with another prefix', '<Chat$99.1@x>', inGroup, '4321dcba1234'],
    ['not from those of one too short', '<chat$group.short.1@x>', inGroup, undefined],
    ['not from those of one too long', `<chat$group.${'g'.repeat(129)}.1@x>`, inGroup, undefined],
  ];
  for (const [what, messageId, references, id] of cases) {
    test(what, () => assert.equal(findChatGroupId(messageId, references), id));
  }
});
