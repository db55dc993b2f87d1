import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseHeaderBlock } from '../../../src/messages/parse-header-block.ts';
import { readContent, type Content } from '../../../src/webpush/payload/read-content.ts';

const read = (header: string, body: string | Buffer = 'body') => {
  const message = Buffer.concat([Buffer.from(`${header}\n\n`), Buffer.from(body)]);
  return readContent(parseHeaderBlock(message), message);
};
const typeOf = (value: string) => read(`Content-Type: ${value}`)?.['content-type'];
const encodingOf = (value: string, type = 'text/plain') =>
  read(`Content-Type: ${type}\nContent-Transfer-Encoding: ${value}`)?.['content-encoding'];

/** The octets that a receiver ends up with, by the rule in readContent's description. */
function octetsOf(content: Content | undefined): Buffer {
  const base64 = content?.['content-encoding'] === 'base64';
  return Buffer.from(content?.content ?? '', base64 ? 'base64' : 'utf8');
}

describe('content: "the full body will be included"', () => {
  const bodies: [what: string, body: string][] = [
    ['LF as stored', 'a\nb\n'],
    ['CRLF as stored', 'a\r\nb\r\n'],
    ['mixed line ends, and a bare CR', 'a\r\nb\nc\rd'],
    ['no final line end', 'a'],
    ['a line end only', '\n'],
    ['UTF-8', 'Grüße 🦄\n'],
    ['UTF-8 with a byte order mark', '\ufeffx'],
    ['quotes and backslashes', '"\\"'],
    ['control characters', '\u0001\u007f\u2028'],
    ['empty lines and header-like lines', '\n\nSubject: x\n'],
  ];
  for (const [what, body] of bodies) {
    test(what, () => assert.deepEqual(read('To: x', body), { content: body }));
  }

  test('an empty body is there, and empty', () => {
    assert.deepEqual(read('To: x', ''), { content: '' });
    const type = 'text/html; charset=utf-8';
    assert.deepEqual(read(`Content-Type: ${type}`, ''), { content: '', 'content-type': type });
  });
  test('a header without the empty line behind it says nothing of a body', () => {
    const message = Buffer.from('To: x\nSubject: y\n');
    assert.equal(readContent(parseHeaderBlock(message), message), undefined);
  });
  test('the header is no part of it', () =>
    assert.equal(read('To: x\nSubject: y')?.content, 'body'));
});

describe('content: octets that are not UTF-8', () => {
  const latin1 = Buffer.from('Gr\xfc\xdfe\r\n', 'latin1');

  test('go out as base64 and come back with the charset', () => {
    const content = read('Content-Type: text/plain; charset=iso-8859-1', latin1);
    assert.deepEqual(content, {
      content: latin1.toString('base64'),
      'content-type': 'text/plain; charset=iso-8859-1',
      'content-encoding': 'base64',
    });
    assert.deepEqual(octetsOf(content), latin1);
  });
  for (const encoding of ['7bit', '8bit', 'binary']) {
    test(`also under ${encoding}`, () => {
      const content = read(`Content-Transfer-Encoding: ${encoding}`, latin1);
      assert.equal(content?.['content-encoding'], 'base64');
      assert.deepEqual(octetsOf(content), latin1);
    });
  }
  for (const encoding of ['base64', 'quoted-printable', 'x-uuencode']) {
    test(`under ${encoding} they contradict it: no content`, () => {
      assert.equal(read(`Content-Transfer-Encoding: ${encoding}`, latin1), undefined);
    });
  }
  test('under an encoding that does not exist they are not lost', () => {
    assert.deepEqual(octetsOf(read('Content-Transfer-Encoding: 8-bit', latin1)), latin1);
  });
  test('in a multipart too, whose own encoding does not count', () => {
    const header = 'Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64';
    assert.deepEqual(octetsOf(read(header, latin1)), latin1);
  });
  test('NUL goes out as base64, as clients written in C would end there', () => {
    const body = Buffer.from('wide', 'utf16le');
    assert.deepEqual(octetsOf(read('Content-Type: text/plain; charset=utf-16le', body)), body);
    assert.equal(read('To: x', body)?.['content-encoding'], 'base64');
    assert.equal(read('Content-Transfer-Encoding: base64', 'YQ=\0=')?.content, 'YQ=\0=');
  });
});

describe('content-encoding: "SHOULD be specified, unless it is `8bit`"', () => {
  const cases: [value: string, encoding: string | undefined][] = [
    ['base64', 'base64'],
    ['BASE64', 'base64'],
    ['Quoted-Printable', 'quoted-printable'],
    ['7bit', '7bit'],
    ['binary', 'binary'],
    ['8bit', undefined],
    ['8BIT', undefined],
    ['(c) base64 (d)', 'base64'],
    ['base64;', 'base64'],
    ['base64 with more', 'base64'],
    ['x-uuencode', 'x-uuencode'],
    // There is no such encoding: the body is taken as it is.
    ['utf-8', undefined],
    ['8-bit', undefined],
    ['none', undefined],
    ['text/plain', undefined],
    ['x-of-our-own', undefined],
    ['', undefined],
    ['"base64"', undefined],
    ['ä', undefined],
  ];
  for (const [value, encoding] of cases) {
    test(JSON.stringify(value), () => assert.equal(encodingOf(value), encoding));
  }
  test('absent: left out', () => assert.equal(read('To: x')?.['content-encoding'], undefined));
  test('a multipart is not encoded as a whole, whatever its header says', () => {
    assert.equal(encodingOf('base64', 'Multipart/Mixed; boundary=b'), undefined);
    assert.equal(encodingOf('7bit', 'multipart/mixed; boundary=b'), '7bit');
  });
});

describe('content-type: "If `content-type` is `text/plain` this field SHOULD be omitted"', () => {
  const omitted = [
    'text/plain',
    'Text/Plain',
    'text/plain;',
    'text/plain; charset=utf-8',
    'text/plain; charset="UTF-8"',
    'TEXT/PLAIN; Charset=Utf8',
    'text/plain; charset=us-ascii',
    'text/plain; charset=ascii (plain)',
    'text/plain; charset=UTF-8; format=fixed',
    '',
  ];
  for (const value of omitted)
    test(`left out: ${value}`, () => assert.equal(typeOf(value), undefined));

  const kept = [
    'text/plain; charset=iso-8859-1',
    'text/plain; charset=utf-16',
    'text/plain; charset=ascii-foo',
    'text/plain; charset=UTF-8; format="flowed"',
    'text/plain; format=flowed; delsp=yes',
    'text/plain; name=a.txt',
    'text/html; charset=utf-8',
    'text/plainer',
    'text',
    'multipart/alternative; boundary=unique-boundary-1',
  ];
  for (const value of kept) test(`kept: ${value}`, () => assert.equal(typeOf(value), value));

  test('absent: left out', () => assert.equal(read('To: x')?.['content-type'], undefined));
  test('unfolded', () => {
    assert.equal(typeOf('multipart/mixed;\r\n boundary=b'), 'multipart/mixed; boundary=b');
  });
});

describe('content-type: "at the least the first 200 bytes as a JSON string"', () => {
  const named = (length: number) => {
    const start = 'image/png; name=';
    return start + 'n'.repeat(length - start.length);
  };
  test('200 octets are whole', () => assert.equal(typeOf(named(200)), named(200)));
  test('one more is cut', () => assert.equal(typeOf(named(201)), `${named(200)}…`));
  test('escapes count', () => {
    const value = `image/png; name="${'n'.repeat(181)}"`;
    assert.equal(value.length, 199);
    assert.equal(typeOf(value), `${value.slice(0, -1)}…`);
  });

  const long = `x="${'y'.repeat(200)}"`;
  const needed: [what: string, value: string][] = [
    ['the type itself', `application/${'x'.repeat(200)}`],
    ['boundary', `multipart/mixed; ${long}; boundary=b`],
    ['charset', `text/html; ${long}; charset=iso-8859-1`],
    ['format', `text/plain; ${long}; format=flowed`],
    ['protocol', `multipart/encrypted; boundary=b; ${long}; protocol="application/pgp-encrypted"`],
    ['boundary, cut through', `multipart/mixed; boundary="${'b'.repeat(200)}"`],
    ['charset in pieces', `text/html; charset*0=iso-; ${long}; charset*1=8859-1`],
  ];
  for (const [what, value] of needed) {
    test(`whole where a cut would lose it: ${what}`, () => assert.equal(typeOf(value), value));
  }
  test('cut where nothing needed is lost', () => {
    const value = `multipart/mixed; boundary=b; ${long}`;
    assert.equal(typeOf(value), `${value.slice(0, 199)}…`);
  });
});
