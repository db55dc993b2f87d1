import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPairs, formatTable, printable } from '../../src/cli/format-table.ts';

describe('a table', () => {
  it('has aligned columns, numbers to the right, and no space at line ends', () => {
    const table = formatTable(
      ['USER', 'COUNT', 'NOTE'],
      [
        ['bob', 7, ''],
        ['a-longer-name', 12_345, 'x'],
      ],
    );
    assert.equal(
      table,
      ['USER           COUNT  NOTE', 'bob                7', 'a-longer-name  12345  x'].join('\n'),
    );
  });

  it('is as wide as a terminal makes its characters', () => {
    const table = formatTable(
      ['A', 'B'],
      [
        ['語🥗', 'x'],
        ['e\u0301', 'y'],
        ['abcd', 'z'],
      ],
    );
    assert.equal(table, 'A     B\n語🥗  x\ne\u0301     y\nabcd  z');
  });

  it('has its headings without rows', () => assert.equal(formatTable(['A', 'B'], []), 'A  B'));

  it('lets nobody steer the terminal', () => {
    assert.equal(printable('a\u001b[2J\r\n\u009bm\u202ex'), 'a\ufffd[2J\ufffd\ufffd\ufffdm\ufffdx');
    assert.ok(!formatTable(['A'], [['\u001b[31m']]).includes('\u001b'));
    assert.ok(!formatPairs([['a', '\u001b[31m']]).includes('\u001b'));
  });
});
