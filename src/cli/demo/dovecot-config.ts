import type { DovecotLayout } from './dovecot-layout.ts';

/** Which roads lead to the sidecar, and by which of the shipped snippets. */
export interface DovecotRoads {
  metadata: 'dict' | 'doveadm' | 'none';
  classify: 'socket' | 'http' | 'none';
  /** By which push notification driver. */
  events: 'lua' | 'ox' | 'none';
  notices: boolean;
}

/** Everything that a private Dovecot's configuration depends on; all decided, nothing optional. */
export interface DovecotConfigInput {
  layout: DovecotLayout;
  roads: DovecotRoads;
  /** Absolute paths of the snippets, in the order of inclusion. */
  snippets: readonly string[];
  ports: { imap: number; lmtp: number; doveadm: number };
  /** System users and the owner of the mail. */
  accounts: {
    internal: string;
    login: string;
    internalGroup: string;
    /** Whoever runs this, and so the sidecar beside it. */
    self: string;
    mailUid: number;
    mailGid: number;
  };
  /** Everyone has this password; everyone may come if `users` is null, else only those listed. */
  password: string;
  users: readonly string[] | null;
  /** What the passdb returns for the userdb, where everyone may come. */
  loginSettings: Readonly<Record<string, string>>;
  apiKey: string;
  sidecar: { url: string; token: string };
  /** `maildir`, `sdbox`, `mdbox` … in `~/Mail`. */
  mailDriver: string;
  debug: boolean;
  /** Appended verbatim, so that it has the last word. */
  extraConfig: string;
}

/** Names of the snippets for these roads, as in `dovecot-conf/<version>/95-coi-<name>.conf`. */
export function snippetNames(roads: DovecotRoads): string[] {
  return [
    'doveadm-api',
    'doveadm-socket',
    'capability',
    ...{ lua: ['events'], ox: ['events-ox'], none: [] }[roads.events],
    ...(roads.classify === 'none' ? [] : [`classify-${roads.classify}`]),
    ...(roads.metadata === 'none' ? [] : [`metadata-${roads.metadata}`]),
    ...(roads.notices ? ['notices'] : []),
  ];
}

/** A passdb's fields that begin with `userdb_` are merged into the userdb's at login. */
export const userdbFields = ({ loginSettings }: DovecotConfigInput): Record<string, string> =>
  Object.fromEntries(
    Object.entries(loginSettings).map(([name, value]) => [`userdb_${name}`, value]),
  );
