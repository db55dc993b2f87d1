import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeHeaderText } from '../../src/messages/decode-header-text.ts';

describe('decodeHeaderText', () => {
  const cases: [value: string, text: string][] = [
    ['Hello', 'Hello'],
    ['a = b?', 'a = b?'],
    ['=?utf-8?Q?Gr=C3=BC=C3=9Fe?=', 'Grüße'],
    ['=?UTF-8?b?R3LDvMOfZQ==?=', 'Grüße'],
    ['=?iso-8859-15?q?10_=A4?=', '10 €'],
    ['=?koi8-r?B?8NLJ18XU?=', 'Привет'],
    ['=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=', 'こんにちは'],
    ['=?gb18030?B?xOO6ww==?=', '你好'],
    // Charsets that hardly anybody uses stay as they are.
    ['=?utf-7?Q?Caf+AOk-?=', 'Caf+AOk-'],
    ['=?hz-gb-2312?Q?~{<:Ky2;~}?=', '~{<:Ky2;~}'],
    ['=?iso-2022-kr?B?GyQpQw4wITMqDw==?=', '$)C 0!3*'],
    ['=?iso-2022-cn?B?GyQpQQ5WUE5EDw==?=', '$)A VPND'],
    ['=?utf-8*en?Q?tagged?=', 'tagged'],
    // Words that follow each other are joined without the white space between them,
    ['=?utf-8?Q?a?= =?utf-8?Q?b?=', 'ab'],
    ['=?utf-8?Q?a?= b =?utf-8?Q?c?=', 'a b c'],
    // and so are characters that senders split over two words.
    ['=?utf-8?B?8J+m?= =?utf-8?B?hA==?=', '🦄'],
    ['=?utf-8?Q?=F0=9F?=\t=?utf-8?Q?=A6=84?=', '🦄'],
    ['=?unknown-charset?Q?x=C3=A4?=', 'xä'],
    ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
    ['=?utf-8?Q?no end', '=?utf-8?Q?no end'],
    ['=?utf-8?Q?two=0D=0Alines=00?=', 'two lines'],
    ['=?utf-8?Q?two=E2=80=A8lines?=', 'two lines'],
    [' \t x \0 ', 'x'],
    ['\ud83e', '\ufffd'],
    ['=?utf-8?Q??=', ''],
    ['', ''],
  ];
  for (const [value, text] of cases) {
    test(JSON.stringify(value), () => assert.equal(decodeHeaderText(value), text));
  }

  test('any text gives well-formed text on one line', () => {
    const charset = fc.constantFrom(
      'utf-8',
      'utf-16',
      'utf-7',
      'iso-2022-jp',
      'euc-kr',
      'hex',
      'x',
    );
    const word = fc
      .tuple(charset, fc.constantFrom('q', 'B'), fc.string({ unit: 'binary', maxLength: 12 }))
      .map(([name, encoding, text]) => `=?${name}?${encoding}?${text}?=`);
    const value = fc.array(fc.oneof(word, fc.string({ unit: 'binary' })), { maxLength: 4 });
    fc.assert(
      fc.property(value, (parts) => {
        const text = decodeHeaderText(parts.join(' '));
        assert.ok(text.isWellFormed());
        assert.doesNotMatch(text, /\p{Cc}|[\u2028\u2029]|^\s|\s$/u);
      }),
      { numRuns: 5_000 },
    );
  });
});
