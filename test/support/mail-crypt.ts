import assert from 'node:assert/strict';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import type { PrivateDovecot, PrivateDovecotOptions } from '../../src/cli/demo/private-dovecot.ts';

/**
 * How mail_crypt keeps the users' private keys in the attribute dict: for whoever can read it, or
 * encrypted, so that they open with nothing but what the user logs in with.
 */
export type CryptKeys = 'bare' | 'password';

const PASSWORD = 'sesame';

const PASSWORD_SETTING = {
  '2.3': 'mail_crypt_private_password',
  '2.4': 'crypt_user_key_password',
};

/** A Dovecot that encrypts its users' mail. */
export function mailCrypt(
  version: DovecotVersion,
  keys: CryptKeys,
): Pick<PrivateDovecotOptions, 'extraConfig' | 'loginSettings'> {
  const encrypted = keys === 'password';
  const protocols = ['imap', 'lmtp', 'doveadm']
    .map((protocol) => `protocol ${protocol} {\n  mail_plugins = $mail_plugins mail_crypt\n}`)
    .join('\n');
  const extraConfig = {
    '2.3': `${protocols}
plugin {
  mail_crypt_curve = prime256v1
  mail_crypt_save_version = 2
  ${encrypted ? 'mail_crypt_require_encrypted_user_key = yes' : '' /* "no" would mean yes */}
}`,
    '2.4': `mail_plugins {
  mail_crypt = yes
}
crypt_user_key_curve = prime256v1
crypt_user_key_require_encrypted = ${encrypted ? 'yes' : 'no'}`,
  };
  return {
    extraConfig: extraConfig[version],
    ...(encrypted && { loginSettings: { [PASSWORD_SETTING[version]]: PASSWORD } }),
  };
}

/** `doveadm mailbox cryptokey <command> -U -u <user>`, which may open the keys. @returns its output */
export async function cryptokey(
  dovecot: PrivateDovecot,
  keys: CryptKeys,
  command: 'generate' | 'list',
  user: string,
): Promise<string> {
  const setting = PASSWORD_SETTING[dovecot.version];
  const name = dovecot.version === '2.3' ? `plugin/${setting}` : setting;
  const password = keys === 'password' ? ['-o', `${name}=${PASSWORD}`] : [];
  const { exitCode, stdout, stderr } = await dovecot.runDoveadm([
    ...password,
    ...['mailbox', 'cryptokey', command, '-u', user, '-U'],
  ]);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}
