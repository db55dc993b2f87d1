import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDoveconf } from '../../../src/dovecot/settings/parse-doveconf.ts';
import {
  readNamespaces23,
  readNamespaces24,
} from '../../../src/dovecot/settings/read-namespaces.ts';

const parsed = (text: string) => parseDoveconf(`# 2.3.19.1 (x): /x\n${text}\n`).root;
const namespace = (...lines: string[]): string => `namespace inbox {\n${lines.join('\n')}\n}`;

describe('what separates levels of mailboxes', () => {
  for (const [location, separator] of [
    ['maildir:~/Maildir', '.'],
    ['maildir:~/Maildir:LAYOUT=fs', '/'],
    ['maildir:~/Maildir:INBOX=~/x:LAYOUT=Maildir++', '.'],
    ['mdbox:~/mdbox', '/'],
    ['sdbox:~/dbox:LAYOUT=index', '/'],
    ['mbox:~/mail:INBOX=/var/mail/%u', '/'],
    ['imapc:', undefined],
    ['', undefined],
  ] as const) {
    it(`2.3: mail_location = ${location}`, () => {
      const root = parsed(`mail_location = ${location}\n${namespace('separator =')}`);
      assert.equal(readNamespaces23(root)[0]?.separator, separator);
    });
  }

  it('2.3: a namespace’s own location and separator come first', () => {
    const own = namespace('location = mdbox:~/x', 'separator =');
    const usual = 'mail_location = maildir:~/x\n';
    assert.equal(readNamespaces23(parsed(usual + own))[0]?.separator, '/');
    assert.equal(readNamespaces23(parsed(usual + namespace('separator = ^')))[0]?.separator, '^');
  });

  for (const [driver, layout, separator] of [
    ['maildir', undefined, '.'],
    ['maildir', 'fs', '/'],
    ['mdbox', undefined, '/'],
    ['', undefined, undefined],
  ] as const) {
    it(`2.4: mail_driver = ${driver}, mailbox_list_layout ${layout ?? 'not set'}`, () => {
      // What -a shows as the layout is the default of all drivers, maildir excepted.
      const root = parsed(`mail_driver = ${driver}\nmailbox_list_layout = fs\n${namespace()}`);
      assert.equal(readNamespaces24(root, layout)[0]?.separator, separator);
    });
  }

  it('2.4: a namespace’s own settings come first', () => {
    const root = parsed(
      `mail_driver = mdbox\n${namespace('mail_driver = maildir', 'mailbox_list_layout = maildir++')}`,
    );
    assert.equal(readNamespaces24(root, 'fs')[0]?.separator, '.');
  });
});

describe('namespaces', () => {
  it('are those that are not disabled', () => {
    const root = parsed(
      'mail_location = mdbox:~/x\nnamespace a {\n  prefix = INBOX/\n  inbox = yes\n}\nnamespace b {\n  prefix = b/\n  disabled = yes\n}\nnamespace {\n  type = shared\n  prefix = c.\n  separator = .\n}',
    );
    assert.deepEqual(readNamespaces23(root), [
      { name: 'a', type: 'private', prefix: 'INBOX/', separator: '/', hasInbox: true, trash: [] },
      { name: '', type: 'shared', prefix: 'c.', separator: '.', hasInbox: false, trash: [] },
    ]);
  });

  it('are one, for INBOX, where none is written down', () => {
    assert.deepEqual(readNamespaces23(parsed('mail_location = maildir:~/x')), [
      { name: '', type: 'private', prefix: '', separator: '.', hasInbox: true, trash: [] },
    ]);
  });
});
