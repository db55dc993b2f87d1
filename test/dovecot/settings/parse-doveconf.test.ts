import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDoveconf, sectionsOf } from '../../../src/dovecot/settings/parse-doveconf.ts';

const HEAD = '# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf\n# Hostname: x\n';
const parse = (text: string) => parseDoveconf(HEAD + text).root;

describe('parseDoveconf', () => {
  it('says the version', () => {
    assert.equal(parseDoveconf(HEAD).version, '2.4.1-4');
    assert.equal(parseDoveconf('# 2.3.19.1 (9b53102964): /x\n').version, '2.3.19.1');
  });

  it('reads values, empty ones and those with "=" in them', () => {
    const { values } = parse('ssl = no\nmail_plugins = \nargs = uid=8 gid=8\n');
    assert.deepEqual(Object.fromEntries(values), {
      ssl: 'no',
      mail_plugins: '',
      args: 'uid=8 gid=8',
    });
  });

  it('takes quotes and backslashes off values, keys and names', () => {
    const root = parse(
      'a = " x \\"y\\" \\\\ \\\'"\nimap_capability {\n  "SORT=DISPLAY" = yes\n}\nmailbox "Sent Messages" {\n}\n',
    );
    assert.equal(root.values.get('a'), ' x "y" \\ \'');
    assert.equal(root.sections[0]?.values.get('SORT=DISPLAY'), 'yes');
    assert.equal(root.sections[1]?.name, 'Sent Messages');
  });

  it('leaves a backslash in a value without quotes alone', () => {
    assert.equal(parse('special_use = \\Trash\n').values.get('special_use'), '\\Trash');
  });

  it('reads sections within sections, several of a kind', () => {
    const root = parse(
      'service a {\n  inet_listener x {\n    port = 1\n  }\n  user = u\n}\nservice b {\n}\nplugin {\n  k = v\n}\nend = yes\n',
    );
    assert.deepEqual(
      sectionsOf(root, 'service').map(({ name }) => name),
      ['a', 'b'],
    );
    const a = sectionsOf(root, 'service', 'a')[0]!;
    assert.equal(a.values.get('user'), 'u');
    assert.equal(sectionsOf(a, 'inet_listener', 'x')[0]?.values.get('port'), '1');
    assert.equal(sectionsOf(root, 'plugin', '')[0]?.values.get('k'), 'v');
    assert.equal(root.values.get('end'), 'yes');
  });

  it('keeps the lines of a value that has several, quoted or not', () => {
    const { values } = parse(
      'a = "one # two\nthree"\nssl_cert = -----BEGIN\nMIIB+/=\n-----END\nb = 1\n',
    );
    assert.equal(values.get('a'), 'one # two\nthree');
    assert.equal(values.get('ssl_cert'), '-----BEGIN\nMIIB+/=\n-----END');
    assert.equal(values.get('b'), '1');
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['an error message', 'doveconf: Fatal: open(/etc/dovecot/dovecot.conf) failed'],
    ['a brace too few', `${HEAD}service a {\n`],
    ['a brace too many', `${HEAD}}\n`],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => parseDoveconf(text), /doveconf/));
  }
});
