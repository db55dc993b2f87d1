import { join } from 'node:path';

/** A configuration, section by section. */
export type Sections = Record<string, Record<string, unknown>>;

export const overlay = (below: Sections, above: Sections): Sections => {
  const all = { ...below };
  for (const [section, options] of Object.entries(above)) {
    all[section] = { ...below[section], ...options };
  }
  return all;
};

/** Of a service of which all files are in one directory, on any free port; no Dovecot answers it. */
export const configIn = (dir: string, above: Sections = {}): Sections => {
  const at = (name: string): string => join(dir, name);
  const base: Sections = {
    http: { listen: '127.0.0.1:0', token: 'a-token-for-dovecot' },
    dict: { socket: at('dict.sock') },
    sieve: { socket: at('classify') },
    store: { url: `sqlite:${at('state.db')}` },
    outbox: { path: at('outbox.db') },
    events: { dir: at('events') },
    spool: { dir: at('spool') },
    doveadm: { api_key: 'a-key' },
  };
  return overlay(base, above);
};
