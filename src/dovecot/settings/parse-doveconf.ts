import { UnavailableError } from '../../errors.ts';

/** A section of Dovecot's configuration, or the whole of it, which has neither kind nor name. */
export interface DoveconfSection {
  /** `service`, `plugin`, `push_notification` … */
  readonly kind: string;
  /** `imap-login` of `service imap-login { … }`; empty where a section has none. */
  readonly name: string;
  readonly values: Map<string, string>;
  readonly sections: DoveconfSection[];
}

export interface Doveconf {
  /** `2.3.19.1`, `2.4.1-4`: what stands in the first line. */
  readonly version: string;
  /** What was read first. */
  readonly configFile: string;
  readonly root: DoveconfSection;
}

/**
 * Reads what `doveconf` prints (with `-n` or `-a`): one setting or one brace a line, in 2.3 and 2.4.
 *
 *     # 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf
 *     mail_plugins = " notify sieve"       quoted where it must be
 *     service "imap-login" {
 *       imap_capability {
 *         "SORT=DISPLAY" = yes             a key, too
 *
 * @throws UnavailableError it is something else
 * @see Dovecot src/config/doveconf.c, config_dump_human_output
 */
export function parseDoveconf(text: string): Doveconf {
  const [, version, configFile = ''] = /^# (\d+\.\d\S*) \([^)]*\)(?:: (.*))?/.exec(text) ?? [];
  if (version === undefined) {
    throw new UnavailableError('doveconf printed no version in its first line');
  }
  const root: DoveconfSection = { kind: '', name: '', values: new Map(), sections: [] };
  const open = [root];
  const lines = text.split('\n');
  let last: string | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').trimStart();
    const section = open.at(-1) ?? root;
    if (line === '}') {
      if (open.length === 1) throw new UnavailableError(`doveconf: line ${at + 1} closes nothing`);
      open.pop();
      last = undefined;
      continue;
    }
    const opening = /^(\S+) (?:("(?:[^"\\]|\\.)*"|\S+) )?\{$/.exec(line);
    if (opening !== null) {
      const [, kind = '', name = ''] = opening;
      const inner = { kind, name: unquote(name), values: new Map<string, string>(), sections: [] };
      section.sections.push(inner);
      open.push(inner);
      last = undefined;
      continue;
    }
    const setting = /^("(?:[^"\\]|\\.)*"|[^\s=]+) = ?(.*)$/s.exec(line);
    if (setting !== null) {
      const [, key = '', rest = ''] = setting;
      let value = rest;
      // A quoted value may hold line ends, which doveconf does not escape.
      while (isUnclosed(value) && at + 1 < lines.length) value += `\n${lines[++at] ?? ''}`;
      last = unquote(key);
      section.values.set(last, unquote(value));
    } else if (last !== undefined && line !== '' && !line.startsWith('#')) {
      // The text of a file, which 2.4 shows as it is.
      section.values.set(last, `${section.values.get(last) ?? ''}\n${lines[at] ?? ''}`);
    }
  }
  if (open.length > 1) throw new UnavailableError('doveconf: a section is not closed');
  return { version, configFile, root };
}

/** The sections of a kind, in their order; with a name, those of that name. */
export const sectionsOf = (
  { sections }: DoveconfSection,
  kind: string,
  name?: string,
): DoveconfSection[] =>
  sections.filter((one) => one.kind === kind && (name === undefined || one.name === name));

/** A list may have several that are quoted: `"\\Trash" "\\Junk"`. */
const isUnclosed = (value: string): boolean =>
  value.startsWith('"') && !/^"(?:[^"\\]|\\.)*"(?: "(?:[^"\\]|\\.)*")*$/s.test(value);

/** str_escape of lib/strescape.c put a backslash before quotes, apostrophes and backslashes. */
const unquote = (text: string): string =>
  /^"(?:[^"\\]|\\.)*"$/s.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : text;
