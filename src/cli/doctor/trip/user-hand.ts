/** A user's hand on their annotations: by IMAP as a client has it, or by doveadm in their place. */
export interface UserHand {
  /** For the report: `IMAP`, `doveadm`. */
  readonly by: string;
  /** What IMAP says after login; undefined without a login. */
  readonly capability: ReadonlySet<string> | undefined;
  /**
   * @param entry below /private/vendor/vendor.dovecot/
   * @throws AnnotationRefusedError the server said NO
   */
  get(entry: string): Promise<string | null>;
  /**
   * @param value null removes it
   * @throws AnnotationRefusedError the server said NO
   */
  set(entry: string, value: string | null): Promise<void>;
  close(): Promise<void>;
}

export const PREFIX = '/private/vendor/vendor.dovecot/';
