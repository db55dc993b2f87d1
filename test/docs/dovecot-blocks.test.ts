import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import { page, ROOT } from './pages.ts';

/** Where the page has its readers put the snippets, in each container. */
const PLACES = ['/etc/dovecot/coi/', '/tmp/docker-mailserver/coi/', '/overrides/'];

const BASE: Record<DovecotVersion, string> = {
  '2.3': 'ssl = no\nmail_location = maildir:~/Maildir\n',
  '2.4':
    'dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nssl = no\nmail_driver = maildir\nmail_path = ~/Maildir\n',
};

/** Blocks that are Dovecot's configuration: that of 2.4 has sections with names of the admin's own. */
const blocks = page('docs/beside-mail-stacks.md')
  .blocks.map(({ text }) => text)
  .filter((text) => text.startsWith('!include '));
const versionOf = (block: string): DovecotVersion =>
  block.includes('push_notification coi {') ? '2.4' : '2.3';

for (const { version, skip } of dovecotVersions) {
  describe(`docs/beside-mail-stacks.md, Dovecot ${version}`, { skip }, () => {
    let dir: string;
    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'coi-docs-'));
      await mkdir(join(dir, 'coi'));
      await writeFile(join(dir, 'coi', 'coi.lua'), await readFile(join(ROOT, 'lua/coi.lua')));
    });
    after(() => rm(dir, { recursive: true }));

    for (const block of blocks.filter((one) => versionOf(one) === version)) {
      it(`doveconf takes ${block.split('\n', 1)[0]}`, async () => {
        const here = (text: string): string =>
          PLACES.reduce((all, place) => all.replaceAll(place, `${dir}/coi/`), text);
        const roads = ['events', 'metadata-dict', 'doveadm-api', 'capability'];
        if (version === '2.4') roads.push('classify-socket');
        for (const road of roads) {
          const name = `95-coi-${road}.conf`;
          const snippet = await readFile(join(ROOT, 'dovecot-conf', version, name), 'utf8');
          await writeFile(join(dir, 'coi', name), here(snippet));
        }
        const file = join(dir, 'dovecot.conf');
        await writeFile(file, BASE[version] + here(block));
        const release = await findDovecotRelease(version);
        const { exitCode, stdout, stderr } = await runCommand(
          ...release!.commandLine('doveconf', ['-n', '-P', '-c', file]),
        );
        assert.equal(exitCode, 0, stderr);
        assert.match(stdout, /http:\/\/coi-sidecar:9380/);
        assert.match(stdout, /(?:address|listen) = \*/);
        assert.match(stdout, /sieve_execute_socket_dir = \.\.\/coi-sidecar\/sieve/);
        assert.match(stdout, /coi\.sieve/);
        assert.match(stdout, /doveadm_api_key = KEY/);
      });
    }
  });
}
