import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stripComments } from '../../src/messages/strip-comments.ts';

describe('stripComments', () => {
  const cases: [text: string, kept: string][] = [
    ['base64', 'base64'],
    ['base64 (c)', 'base64  '],
    ['(a)base64(b)', ' base64 '],
    ['a(b)c', 'a c'],
    ['a(b(c)d)e', 'a e'],
    [String.raw`a(\)b)c`, 'a c'],
    [String.raw`a(b\\)c`, 'a c'],
    ['a(b)c(d', 'a c '],
    ['a)b', 'a)b'],
    ['', ''],
  ];
  for (const [text, kept] of cases) {
    test(JSON.stringify(text), () => assert.equal(stripComments(text), kept));
  }
});
