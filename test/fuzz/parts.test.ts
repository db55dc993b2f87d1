import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Chance, mixSeed } from './chance.ts';
import { ANNOTATION_DOORS } from './doors/annotation-doors.ts';
import { DICT_DOORS } from './doors/dict-doors.ts';
import { eventLogDoor } from './doors/event-log-door.ts';
import { FILE_DOORS } from './doors/file-doors.ts';
import { heldDoor } from './doors/held-door.ts';
import { HTTP_DOORS } from './doors/http-doors.ts';
import { scriptDoor } from './doors/script-door.ts';
import { findSlip, judgeLogLine, KNOWN } from './finding.ts';
import { shrinkList } from './minimise.ts';

const DOORS = [HTTP_DOORS, DICT_DOORS, ANNOTATION_DOORS, FILE_DOORS].flat();

describe('the inputs of the fuzz', () => {
  for (const door of [...DOORS, scriptDoor, eventLogDoor, heldDoor]) {
    it(`come again with the same seed, and are others with another: ${door.name}`, () => {
      const make = (seed: number): string => {
        const chance = new Chance(mixSeed(seed, 1));
        const some = Array.from({ length: 30 }, () => door.make(chance).toString('latin1'));
        return some.join('\n');
      };
      assert.equal(make(7), make(7));
      assert.notEqual(make(7), make(8));
    });
  }

  it('are cut into pieces that make the whole', () => {
    const chance = new Chance(1);
    for (let left = 200; left > 0; left--) {
      const octets = chance.octets(200);
      assert.deepEqual(Buffer.concat(chance.split(octets)), octets);
    }
  });
});

describe('what the fuzz takes for wrong', () => {
  const line = (fields: object): string => JSON.stringify({ level: 'error', msg: 'x', ...fields });
  const kindOf = (text: string): string | undefined => judgeLogLine(text, ['a-secret-token'])?.kind;

  it('is a line of the log that a slip made, or that shows a secret', () => {
    assert.equal(kindOf(line({ err: { message: 'TypeError: x' } })), 'log: TypeError');
    assert.equal(kindOf(line({ err: { stack: 'Error: x\n    at y' } })), 'log: stack trace');
    assert.equal(kindOf(line({ msg: 'unexpected error' })), 'log: unexpected error');
    assert.equal(kindOf(line({ msg: 'for undefined' })), 'log: undefined');
    assert.equal(kindOf('Trace: x'), 'log: no JSON');
    assert.equal(kindOf(line({ url: 'a-secret-token' })), 'secret in the log');
    assert.equal(kindOf(line({ level: 'fatal' })), 'log: fatal');
  });

  it('is no error of ours, said in a sentence, and nothing that a user is called', () => {
    const err = { code: 'unavailable', stack: 'UnavailableError: x\n    at y' };
    assert.equal(kindOf(line({ err })), undefined);
    assert.equal(kindOf(line({ user: 'undefined' })), undefined);
    assert.equal(findSlip('{"error":"invalid_input","message":"body must be object"}'), undefined);
  });

  it('has no exceptions', () => assert.deepEqual([...KNOWN], []));
});

describe('the search for the smallest input', () => {
  it('leaves what it takes, in its order, and nothing else', async () => {
    const list = Array.from({ length: 100 }, (_, index) => index);
    let tries = 0;
    const smallest = await shrinkList(list, (some) => {
      tries += 1;
      return Promise.resolve(some.includes(17) && some.includes(71));
    });
    assert.deepEqual(smallest, [17, 71]);
    assert.ok(tries < 60, `${tries} tries`);
  });
});
