import type { DovecotLayout } from './dovecot-layout.ts';

/** Everything that a private Dovecot's configuration depends on; all decided, nothing optional. */
export interface DovecotConfigInput {
  layout: DovecotLayout;
  /** Absolute paths of the shipped snippets, in the order of inclusion. */
  snippets: readonly string[];
  ports: { imap: number; lmtp: number; doveadm: number };
  /** System users and the owner of the mail. */
  accounts: {
    internal: string;
    login: string;
    internalGroup: string;
    mailUid: number;
    mailGid: number;
  };
  /** Everyone with this password if `users` is null, else only those listed. */
  password: string;
  users: readonly string[] | null;
  apiKey: string;
  sidecar: { url: string; token: string };
  mailLocation: string;
  debug: boolean;
  /** Appended verbatim, so that it has the last word. */
  extraConfig: string;
}
