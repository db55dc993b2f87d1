import type { DovecotConfigInput } from './dovecot-config.ts';
import type { DovecotVersion } from './dovecot-release.ts';

/** A file in /etc/dovecot/coi that a snippet includes, since not everybody may read what it says. */
export interface SecretFile {
  name: string;
  text: string;
  /** Whether mail processes read it, as dovecot-lda does that is not started by root. */
  forMailUsers: boolean;
}

/** What the snippets say that an admin has to write. */
export function renderSecretFiles(
  { sidecar, apiKey }: DovecotConfigInput,
  version: DovecotVersion,
): SecretFile[] {
  const ox = urlWithToken(sidecar, '/v1/ox-events');
  const notices = urlWithToken(sidecar, '/v1/imap-commands');
  const is23 = version === '2.3';
  return [
    {
      name: 'token.conf',
      text: `coi_sidecar_token = ${sidecar.token}\n`,
      forMailUsers: true,
    },
    {
      name: 'ox-url.conf',
      text: is23
        ? `push_notification_driver = ox:url=${ox} timeout_msecs=2000 max_retries=0\n`
        : `ox_url = ${ox}\n`,
      forMailUsers: true,
    },
    {
      name: 'notices-url.conf',
      text: `${is23 ? 'transport_args' : 'http_post_url'} = ${notices}\n`,
      forMailUsers: false,
    },
    { name: 'api-key.conf', text: `doveadm_api_key = ${apiKey}\n`, forMailUsers: false },
  ];
}

/** For what can send Basic authentication only: the token as its password. */
function urlWithToken(sidecar: DovecotConfigInput['sidecar'], path: string): string {
  const url = new URL(path, sidecar.url);
  url.username = 'dovecot';
  url.password = sidecar.token;
  return url.href;
}
