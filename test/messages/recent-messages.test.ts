import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRecentMessages, type Resembles } from '../../src/messages/recent-messages.ts';

const any =
  (answer: ReturnType<Resembles>): Resembles =>
  () =>
    answer;
const is =
  (text: string, answer: ReturnType<Resembles>): Resembles =>
  (message) =>
    message.toString() === text ? answer : 'not';

function keepAll(texts: readonly string[], capacity = 1_000) {
  const lookups: string[] = [];
  const recent = createRecentMessages({ capacity, onLookup: (result) => lookups.push(result) });
  for (const text of texts) recent.keep('alice', '1@example.org', Buffer.from(text));
  const find = (resembles: Resembles, user = 'alice', id = '1@example.org') =>
    recent.find(user, id, resembles)?.toString();
  const peek = (resembles: Resembles, user = 'alice') =>
    recent.peek(user, '1@example.org', resembles)?.toString();
  return { find, peek, lookups };
}

describe('messages that passed by a moment ago', () => {
  it('are found by user and Message-ID', () => {
    const { find, lookups } = keepAll(['one']);
    assert.equal(find(any('surely')), 'one');
    assert.equal(find(any('surely'), 'bob'), undefined);
    assert.equal(find(any('surely'), 'alice', '2@example.org'), undefined);
    assert.deepEqual(lookups, ['hit', 'miss', 'miss']);
  });

  it('with one Message-ID do not displace each other; the newest comes first', () => {
    const { find } = keepAll(['one', 'two', 'three']);
    assert.equal(find(is('one', 'surely')), 'one');
    assert.equal(find(is('two', 'surely')), 'two');
    assert.equal(find(any('surely')), 'three');
    assert.equal(find(any('not')), undefined);
  });

  it('are shared when they surely are meant, and given once when they only may be', () => {
    const { find } = keepAll(['one', 'two']);
    assert.equal(find(is('one', 'surely')), 'one');
    assert.equal(find(is('one', 'likely')), 'one');
    assert.equal(find(is('one', 'likely')), undefined);
    assert.equal(find(any('likely')), 'two');
    assert.equal(find(any('likely')), undefined);
  });

  it('can be looked at, which takes none away and does not count', () => {
    const { find, peek, lookups } = keepAll(['one', 'two']);
    assert.equal(peek(any('likely')), 'two');
    assert.equal(peek(is('one', 'likely')), 'one');
    assert.equal(peek(any('not')), undefined);
    assert.equal(peek(any('surely'), 'bob'), undefined);
    assert.deepEqual(lookups, []);
    assert.equal(find(any('likely')), 'two');
  });

  it('are kept once, though Sieve show them several times', () => {
    const { find } = keepAll(['one', 'two', 'one']);
    assert.equal(find(any('likely')), 'one');
    assert.equal(find(any('likely')), 'two');
    assert.equal(find(any('likely')), undefined);
  });

  it('are bounded, also those with one Message-ID', () => {
    const many = Array.from({ length: 20 }, (_, index) => `${index}`);
    const { find } = keepAll(many);
    assert.equal(find(is('11', 'surely')), undefined);
    assert.equal(find(is('12', 'surely')), '12');
    const { find: findLarge } = keepAll(['x'.repeat(200)], 1_000);
    assert.equal(findLarge(any('surely')), undefined, 'more than an eighth of all');
  });
});
