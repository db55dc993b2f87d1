import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { schema } from '../../src/config/schema.ts';
import { createMetrics } from '../../src/metrics.ts';
import { page, pages, ROOT } from './pages.ts';

/** What the pages name is there. Whether they are right is for people to say. */
describe('the documentation names nothing that is not there', () => {
  /** `path: thing` of everything that is named and not there. */
  const missing = (named: (one: (typeof pages)[number]) => string[]): string[] =>
    pages.flatMap((one) => named(one).map((thing) => `${one.path}: ${thing}`));
  /** All code of a page. */
  const codeOf = ({ spans, blocks }: (typeof pages)[number]): string[] => [
    ...spans,
    ...blocks.flatMap(({ text }) => text.split('\n')),
  ];

  it('links', () => {
    const broken = missing(({ path, links }) =>
      links.filter((target) => {
        if (/^https?:/.test(target)) return false;
        const [file = '', anchor] = target.split('#');
        const to = file === '' ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(ROOT, to))) return true;
        return anchor !== undefined && to.endsWith('.md') && !page(to).anchors.includes(anchor);
      }),
    );
    assert.deepEqual(broken, []);
  });

  it('options', () => {
    const sections = Object.keys(schema);
    const pattern = new RegExp(`(?<![\\w/.-])(${sections.join('|')})\\.([a-z_]+)(?![\\w/])`, 'g');
    const unknown = missing(({ spans }) =>
      // An error about a key that there is not names it.
      spans
        .filter((span) => !span.includes('unknown key'))
        .flatMap((span) =>
          [...span.matchAll(pattern)].flatMap(([name, section = '', key = '']) => {
            const options = (schema as Record<string, Record<string, unknown>>)[section] ?? {};
            return key in options || /^(lua|sieve|svbin|sock|db|md|conf|ts|log)$/.test(key)
              ? []
              : [name];
          }),
        ),
    );
    assert.deepEqual(unknown, []);
  });

  it('environment variables', () => {
    const known = new Set(
      Object.entries(schema).flatMap(([section, keys]) =>
        Object.keys(keys).map((key) => `COI_SIDECAR_${section}_${key}`.toUpperCase()),
      ),
    );
    // coi-classify's own file has these two.
    known.add('COI_SIDECAR_URL').add('COI_SIDECAR_TOKEN');
    const unknown = missing((one) =>
      codeOf(one).flatMap((code) =>
        [...code.matchAll(/COI_SIDECAR_[A-Z_]*[A-Z]/g)]
          .map(([name]) => name)
          .filter((name) => !known.has(name)),
      ),
    );
    assert.deepEqual(unknown, []);
  });

  it('snippets and files of the repository', () => {
    const absent = missing((one) =>
      codeOf(one).flatMap((code) => [
        ...[...code.matchAll(/\b95-coi-[a-z-]+\.conf/g)]
          .map(([name]) => name)
          .filter((name) => !existsSync(join(ROOT, 'dovecot-conf/2.4', name))),
        ...[
          ...code.matchAll(
            /(?<![\w/.$-])(docs|docker|scripts|test|src|packaging|lua|dovecot-conf)\/[\w./-]+/g,
          ),
        ]
          .map(([path]) => path.replace(/[.,]$/, ''))
          .filter((path) => !existsSync(join(ROOT, path))),
      ]),
    );
    assert.deepEqual(absent, []);
  });

  it('npm scripts', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const unknown = missing((one) =>
      codeOf(one).flatMap((code) =>
        [...code.matchAll(/npm run ([\w:]+)/g)].flatMap(([, name = '']) =>
          name in scripts ? [] : [name],
        ),
      ),
    );
    assert.deepEqual(unknown, []);
  });

  it('metrics', async () => {
    const text = await createMetrics().registry.metrics();
    const unknown = missing((one) =>
      codeOf(one).flatMap((code) =>
        [...code.matchAll(/\bcoi_(?!sidecar_)[a-z_]+(?=$|[^\w/-])/g)]
          .map(([name]) => name)
          .filter((name) => !text.includes(`# TYPE ${name} `) && name !== 'coi_mailbox_root'),
      ),
    );
    assert.deepEqual(unknown, []);
  });

  it('commands and their options', async () => {
    const coiSidecar = async (...args: string[]): Promise<string> => {
      const { stdout } = await runCommand(process.execPath, [join(ROOT, 'src/main.ts'), ...args]);
      return stdout;
    };
    const names = [...(await coiSidecar('--help')).matchAll(/^ {2}(\w[\w-]*) /gm)].map(
      ([, name = '']) => name,
    );
    const usage = new Map(
      await Promise.all(
        names.map(async (name) => [name, await coiSidecar(name, '--help')] as const),
      ),
    );
    const unknown = missing((one) =>
      codeOf(one).flatMap((code) => {
        // At the beginning, behind nothing but variables; a log line says other things of it.
        const call = /^\s*(?:[A-Z_]+=\S+ )*coi-sidecar ([a-z][\w-]*)(?! did)([^|;&#]*)/.exec(code);
        if (call === null) return [];
        const [text, name = '', rest = ''] = call;
        const help = usage.get(name);
        if (help === undefined) return [text.trim()];
        const options = [...rest.matchAll(/(?<=\s)--[\w-]+/g)].map(([option]) => option);
        const [, action] =
          name === 'users' || name === 'outbox' ? (/^ ([a-z][\w-]+)/.exec(rest) ?? []) : [];
        const words = action === undefined ? options : [...options, action];
        return words.some((word) => !help.includes(word)) ? [text.trim()] : [];
      }),
    );
    assert.deepEqual(unknown, []);
  });
});

describe('the pages for Debian', () => {
  it('connect Dovecot as README.Debian does', () => {
    const readme = readFileSync(join(ROOT, 'packaging/deb/README.Debian'), 'utf8');
    const part = /^Connect Dovecot[^]*?^Then/m.exec(readme)?.[0] ?? '';
    const lines = [...part.matchAll(/^ {4}(.*)$/gm)].map(([, line = '']) => line);
    const commands = inOneLine(lines.join('\n'));
    for (const path of ['docs/install-debian-12.md', 'docs/install-debian-13.md']) {
      const texts = page(path).blocks.map(({ text }) => inOneLine(text.trim()));
      assert.ok(texts.includes(commands), path);
    }
  });
});

/** Commands without their line breaks. */
const inOneLine = (commands: string): string => commands.replaceAll(/ *\\\n */g, ' ');
