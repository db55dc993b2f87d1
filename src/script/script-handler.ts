/** What a program that Dovecot calls over a socket gets to see. */
export interface ScriptRequest {
  /** USER, HOME, HOST, SENDER, RECIPIENT, ORIG_RECIPIENT from Sieve, each only where there is one. */
  env: ReadonlyMap<string, string>;
  args: readonly string[];
  /**
   * Standard input: from Sieve's `:pipe` the message, with CRLF unless sieve_execute_input_eol. Of a
   * long one its beginning.
   */
  message: Buffer;
}

export interface ScriptHandler {
  /**
   * @returns standard output; Sieve's `execute` is true and puts it into its `:output` variable.
   *   Without any, `execute` is false: the answer is no
   * @throws anything: Sieve's `execute` is false, and the log says why
   */
  handle(request: ScriptRequest): Promise<Buffer | undefined>;
}
