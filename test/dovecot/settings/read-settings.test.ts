import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type {
  ProtocolSettings,
  ServerSettings,
} from '../../../src/dovecot/settings/dovecot-settings.ts';
import { parseDoveconf } from '../../../src/dovecot/settings/parse-doveconf.ts';
import { readProtocol23, readServer23 } from '../../../src/dovecot/settings/read-settings-2.3.ts';
import { readProtocol24, readServer24 } from '../../../src/dovecot/settings/read-settings-2.4.ts';

/** What doveconf of Debian's 2.3.19.1 and 2.4.1 printed, with other names and secrets. */
const printed = (name: string) =>
  parseDoveconf(
    readFileSync(new URL(`../../fixtures/doveconf/${name}.txt`, import.meta.url), 'utf8'),
  ).root;
const parsed = (text: string) => parseDoveconf(`# 2.3.19.1 (x): /x\n${text}`).root;

const READERS = {
  '2.3': { server: readServer23, protocol: readProtocol23 },
  '2.4': { server: readServer24, protocol: readProtocol24 },
} as const;

const EVENT_PLUGINS = ['notify', 'push_notification', 'mail_lua', 'push_notification_lua'];

for (const version of ['2.3', '2.4'] as const) {
  const { server, protocol } = READERS[version];

  describe(`settings of Dovecot ${version}`, () => {
    it('of the server, with the snippets', () => {
      const settings = server(printed(`${version}-dict`));
      assert.deepEqual(settings, {
        baseDir: '/srv/test/dovecot',
        libexecDir: '/usr/lib/dovecot',
        pluginDir: '/usr/lib/dovecot/modules',
        served: new Set(['imap', 'lmtp']),
        mailUid: '8',
        mailGid: '8',
        accessGroups: [],
        userdbs: settings.userdbs,
        doveadm: {
          http: [{ name: 'http', host: '127.0.0.1', port: 8080, tls: false, everywhere: false }],
          httpSockets: [],
          processPerRequest: false,
          allowedCommands: [],
        },
        imap: [{ name: 'imap', host: '127.0.0.1', port: 1143, tls: false, everywhere: false }],
        lmtp: [
          { name: 'lmtp', host: '127.0.0.1', port: 1024, tls: false, everywhere: false },
          { path: '/srv/test/dovecot/lmtp' },
        ],
        exporters: [],
        namespaces: [
          {
            name: 'inbox',
            type: 'private',
            prefix: '',
            separator: '/',
            hasInbox: true,
            trash: ['Trash'],
          },
        ],
        metadataOffFor: [],
      } as ServerSettings);
    });

    it('of lmtp, with the snippets', () => {
      const settings = protocol(printed(`${version}-dict-lmtp`));
      assert.deepEqual(settings, {
        plugins: new Set([...EVENT_PLUGINS, 'sieve']),
        pushDrivers: [
          {
            name: version === '2.3' ? '' : 'coi',
            driver: 'lua',
            file: '/srv/test/coi/coi.lua',
            url: undefined,
            userFromMetadata: false,
            settings: {
              url: 'http://127.0.0.1:9380',
              token: 'the-token-of-dovecot',
              eventsDir: '/srv/test/events',
              sharedPrefix: undefined,
            },
          },
        ],
        sieve: {
          plugins: new Set(['sieve_extprograms']),
          globalExtensions: new Set(['vnd.dovecot.execute']),
          userExtensions: new Set(),
          before: [
            {
              name: version === '2.3' ? '' : 'coi',
              path: '/srv/test/coi/coi.sieve',
              binDir: undefined,
            },
          ],
          socketDir: '/srv/test/coi-sidecar/sieve',
          binDir: undefined,
          execTimeoutMsecs: 2_000,
        },
        imapMetadata: false,
        usernameFormat: settings.usernameFormat,
        attributeDicts: [
          { driver: 'proxy', socket: '/srv/test/coi-sidecar/dict.sock', idleMsecs: 5_000 },
        ],
        capability: settings.capability,
      } as ProtocolSettings);
    });

    it('of imap, with the snippets', () => {
      const settings = protocol(printed(`${version}-dict-imap`));
      assert.deepEqual([...settings.plugins], EVENT_PLUGINS);
      assert.equal(settings.imapMetadata, true);
      assert.ok(settings.capability.has('COI') && settings.capability.has('WEBPUSH'));
    });

    it('of metadata.source doveadm, notices and classification over HTTP', () => {
      const { exporters } = server(printed(`${version}-doveadm`));
      assert.deepEqual(exporters, [
        {
          name: 'coi_sidecar',
          url: 'http://dovecot:the-token-of-dovecot@127.0.0.1:9380/v1/imap-commands',
          filters: ['event=imap_command_finished AND cmd_name=SETMETADATA'],
        },
      ]);
      const imap = protocol(printed(`${version}-doveadm-imap`));
      assert.deepEqual(imap.attributeDicts, [{ driver: 'file', socket: undefined, idleMsecs: 0 }]);
      assert.equal(imap.sieve.binDir, '/srv/test/coi/bin');
      assert.equal(imap.sieve.socketDir, undefined);
      assert.equal(imap.sieve.execTimeoutMsecs, 3_000);
    });

    it('of a Dovecot as Debian installs it', () => {
      const settings = server(printed(`${version}-stock`));
      assert.equal(settings.baseDir, '/run/dovecot');
      assert.deepEqual(settings.doveadm, {
        http: [],
        httpSockets: [],
        processPerRequest: true,
        allowedCommands: [],
      });
      assert.deepEqual(
        settings.imap.map(({ host, port, tls, everywhere }) => ({ host, port, tls, everywhere })),
        [
          { host: '127.0.0.1', port: 143, tls: false, everywhere: true },
          { host: '127.0.0.1', port: 993, tls: true, everywhere: true },
        ],
      );
      assert.deepEqual(settings.lmtp, [{ path: '/run/dovecot/lmtp' }]);
      assert.deepEqual(
        settings.namespaces.map(({ hasInbox, separator }) => [hasInbox, separator]),
        [[true, '/']],
      );
      const all = protocol(printed(`${version}-stock`));
      assert.deepEqual([all.plugins.size, all.pushDrivers, all.sieve.before], [0, [], []]);
      assert.deepEqual(all.attributeDicts, []);
      assert.equal(all.imapMetadata, false);
    });
  });
}

describe('what may be written otherwise, in 2.3', () => {
  it('several drivers and scripts, numbered; the first gap ends them', () => {
    const { pushDrivers, sieve } = readProtocol23(
      parsed(
        'plugin {\n  push_notification_driver = ox:url=http://u:p@127.0.0.1:9380/x user_from_metadata\n' +
          '  push_notification_driver2 = lua:file=/x/coi.lua\n  push_notification_driver4 = dlog\n' +
          '  sieve_before = /etc/a.sieve\n  sieve_before2 = file:/etc/b.sieve;bindir=/var/b\n}\n',
      ),
    );
    assert.deepEqual(
      pushDrivers.map(({ driver, file, url, userFromMetadata }) => [
        ...[driver, file, url, userFromMetadata],
      ]),
      [
        ['ox', undefined, 'http://u:p@127.0.0.1:9380/x', true],
        ['lua', '/x/coi.lua', undefined, false],
      ],
    );
    assert.deepEqual(sieve.before, [
      { name: '', path: '/etc/a.sieve', binDir: undefined },
      { name: '', path: '/etc/b.sieve', binDir: '/var/b' },
    ]);
  });

  it('an attribute dict without idle_msecs', () => {
    const dict = (text: string) =>
      readProtocol23(parsed(`mail_attribute_dict = ${text}\n`)).attributeDicts[0];
    assert.deepEqual(dict('proxy:/run/x:coi'), { driver: 'proxy', socket: '/run/x', idleMsecs: 0 });
    assert.deepEqual(dict('proxy:idle_msecs=9:warn_slow_msecs=1:/run/x:coi'), {
      driver: 'proxy',
      socket: '/run/x',
      idleMsecs: 9,
    });
  });

  it('listeners on all addresses, on none, and doveadm_allowed_commands', () => {
    const { imap, doveadm, lmtp } = readServer23(
      parsed(
        'listen = *, ::\ndoveadm_allowed_commands = fetch,move\nservice imap-login {\n  inet_listener imap {\n    port = 143\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\n' +
          'service doveadm {\n  inet_listener http {\n    address = ::1\n    port = 1\n  }\n  inet_listener {\n    port = 2\n  }\n}\nservice lmtp {\n  unix_listener /var/spool/postfix/lmtp {\n  }\n}\n',
      ),
    );
    assert.deepEqual(
      imap.map(({ host, port, everywhere }) => [host, port, everywhere]),
      [['127.0.0.1', 143, true]],
    );
    assert.deepEqual(doveadm.allowedCommands, ['fetch', 'move']);
    assert.deepEqual(
      doveadm.http.map(({ host, port, everywhere }) => [host, port, everywhere]),
      [['::1', 1, false]],
    );
    assert.deepEqual(lmtp, [{ path: '/var/spool/postfix/lmtp' }]);
  });
});

describe('what may be written otherwise, in 2.4', () => {
  it('the ox driver, a dict by another name, lists on one line', () => {
    const settings = readProtocol24(
      parsed(
        'mail_plugins = notify push_notification\npush_notification ox {\n  ox_url = http://127.0.0.1:9380/x\n}\n' +
          'mail_attribute {\n  dict mine {\n    driver = proxy\n    socket_path = /run/x\n  }\n  dict file {\n  }\n}\n' +
          'sieve_script a {\n  type = before\n  driver = file\n  path = /x.sieve\n  bin_path = /var/b\n}\nsieve_script b {\n  type = after\n  path = /y\n}\n',
      ),
    );
    assert.deepEqual([...settings.plugins], ['notify', 'push_notification']);
    assert.equal(settings.pushDrivers[0]?.driver, 'ox');
    assert.equal(settings.pushDrivers[0].url, 'http://127.0.0.1:9380/x');
    assert.equal(settings.pushDrivers[0].userFromMetadata, false);
    assert.deepEqual(settings.attributeDicts, [
      { driver: 'proxy', socket: '/run/x', idleMsecs: 0 },
      { driver: 'file', socket: undefined, idleMsecs: 0 },
    ]);
    assert.deepEqual(settings.sieve.before, [{ name: 'a', path: '/x.sieve', binDir: '/var/b' }]);
  });

  it('scripts in another order than they are written in', () => {
    const script = (name: string, precedence: string): string =>
      `sieve_script ${name} {\n  type = before\n  path = /${name}\n${precedence}}\n`;
    const { sieve } = readProtocol24(
      parsed(
        script('c', '') +
          script('b', '  precedence = 10\n') +
          script('d', '  precedence = unlimited\n') +
          script('a', '  precedence = 9\n'),
      ),
    );
    assert.deepEqual(
      sieve.before.map(({ name }) => name),
      ['a', 'b', 'c', 'd'],
    );
  });
});

describe('who users are, and what is not the same for all', () => {
  const DATABASES = {
    '2.3': `userdb {
  driver = prefetch
}
userdb {
  args = uid=vmail gid=5000 home=/srv/%u
  driver = static
}
userdb {
  args = scheme=crypt /etc/users
  default_fields = uid=vmail gid=vmail
  driver = passwd-file
  override_fields = home=/srv/%d/%n
}
userdb {
  args = /etc/%d/users
  driver = passwd-file
}
userdb {
  driver = passwd
}
`,
    '2.4': `userdb prefetch {
}
userdb static {
  fields {
    uid = vmail
    gid = 5000
    home = /srv/%u
  }
}
userdb mine {
  driver = passwd-file
  passwd_file_path = /etc/users
  fields {
    "uid:default" = vmail
    "gid:default" = vmail
    home = /srv/%d/%n
  }
}
userdb passwd-file {
  passwd_file_path = /etc/%{user | domain}/users
}
userdb passwd {
}
`,
  };

  for (const version of ['2.3', '2.4'] as const) {
    const { server, protocol } = READERS[version];
    const read = (text: string) => ({
      ...server(parsed(text)),
      ...protocol(parsed(text)),
    });

    it(`user databases, with what they give to all, in ${version}`, () => {
      assert.deepEqual(
        read(DATABASES[version]).userdbs.map(({ driver, fields, lists }) => [
          ...[driver, Object.fromEntries(fields), lists],
        ]),
        [
          ['static', { uid: 'vmail', gid: '5000', home: '/srv/%u' }, false],
          ['passwd-file', { uid: 'vmail', gid: 'vmail', home: '/srv/%d/%n' }, true],
          ['passwd-file', {}, false],
          ['passwd', {}, true],
        ],
      );
    });

    it(`blocks for some clients, trash and names of users, in ${version}`, () => {
      const { metadataOffFor, namespaces, usernameFormat } = read(
        `auth_username_format = %Ln
remote 10.0.0.0/8 {
  protocol imap {
    imap_metadata = no
  }
  protocol lmtp {
    imap_metadata = no
  }
}
protocol imap {
  local 192.0.2.1 {
    imap_metadata = no
  }
}
local 192.0.2.2 {
  imap_metadata = yes
}
namespace inbox {
  inbox = yes
  prefix = INBOX/
  mailbox "Deleted Items" {
    special_use = "\\\\Trash" "\\\\Junk"
  }
  mailbox Trash {
    special_use =
  }
}
`,
      );
      assert.deepEqual(metadataOffFor, ['remote 10.0.0.0/8', 'local 192.0.2.1']);
      assert.deepEqual(namespaces[0]?.trash, ['INBOX/Deleted Items']);
      assert.equal(usernameFormat, '%Ln');
    });
  }
});
