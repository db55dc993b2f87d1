import { findOutbox } from './find-outbox.ts';
import type { Config } from './schema.ts';

/** Shorter tokens can be guessed. */
const LEAST_TOKEN_LENGTH = 16;

/** What is mended within two seconds, as Dovecot waits, is no reason to end the process. */
const LEAST_WATCHDOG_MSECS = 2_000;

/** Node's timers fire at once when they are set to more. */
const LONGEST_TIMER_MSECS = 2 ** 31 - 1;

/** What is wrong although every value by itself is well formed; one sentence a problem. */
export function findConflicts(config: Config): string[] {
  return [
    ...tokenProblems(config),
    ...urlProblems(config),
    ...(/^\s*$|\p{Cc}/u.test(config.coi.mailbox_root)
      ? ['coi.mailbox_root: must name a mailbox, such as COI']
      : []),
    ...blockedMailboxProblems(config),
    ...(config.metadata.source === 'dict' && config.dict.socket === config.sieve.socket
      ? ['dict.socket: must be another path than sieve.socket']
      : []),
    ...(config.http.socket !== '' &&
    [config.sieve.socket, config.dict.socket].includes(config.http.socket)
      ? ['http.socket: must be another path than sieve.socket and dict.socket']
      : []),
    ...(config.store.url.replace(/^sqlite:(\/\/)?/i, '') === findOutbox(config).path
      ? ['outbox.path: must be another file than that of store.url']
      : []),
    ...timerProblems(config),
    ...(config.abuse.lockout < config.abuse.pause
      ? ['abuse.lockout: must be at least as long as abuse.pause']
      : []),
    ...(config.watchdog.timeout > 0 && config.watchdog.timeout < LEAST_WATCHDOG_MSECS
      ? ['watchdog.timeout: must be 0, or at least 2 secs']
      : []),
  ];
}

function blockedMailboxProblems({ coi }: Config): string[] {
  const { mailbox_root: root, mailbox_separator: separator, blocked_mailbox: blocked } = coi;
  if (blocked === '') return [];
  if (/^\s*$|\p{Cc}/u.test(blocked))
    return ['coi.blocked_mailbox: must name a mailbox, or be empty'];
  const others = ['INBOX', root, ...['Chats', 'Contacts'].map((name) => root + separator + name)];
  return others.some((name) => name.toUpperCase() === blocked.toUpperCase())
    ? ['coi.blocked_mailbox: must be another mailbox than INBOX and those of COI']
    : [];
}

function timerProblems({ doveadm, spool, webpush }: Config): string[] {
  const timers = {
    'doveadm.timeout': doveadm.timeout,
    'spool.poll_interval': spool.poll_interval,
    'webpush.timeout_msecs': webpush.timeout_msecs,
    'webpush.answer_timeout_msecs': webpush.answer_timeout_msecs,
  };
  return Object.entries(timers)
    .filter(([, msecs]) => msecs > LONGEST_TIMER_MSECS)
    .map(([option]) => `${option}: must be at most 24 days`);
}

function tokenProblems({ http, doveadm }: Config): string[] {
  const problems: string[] = [];
  const remedy = 'make one with "openssl rand -hex 32"';
  if (http.token === '') {
    problems.push(`http.token: missing; ${remedy} and give Dovecot the same (coi_sidecar_token)`);
  } else if (http.token.length < LEAST_TOKEN_LENGTH) {
    problems.push(`http.token: shorter than ${LEAST_TOKEN_LENGTH} characters; ${remedy}`);
  }
  if (http.admin_token !== '' && http.admin_token.length < LEAST_TOKEN_LENGTH) {
    problems.push(`http.admin_token: shorter than ${LEAST_TOKEN_LENGTH} characters; ${remedy}`);
  }
  if (http.admin_token !== '' && http.admin_token === http.token) {
    problems.push('http.admin_token: must differ from http.token, which every mail process knows');
  }
  if (doveadm.api_key === '') {
    problems.push('doveadm.api_key: missing; set it to the doveadm_api_key of your Dovecot');
  }
  return problems;
}

function urlProblems({ doveadm, store, webpush }: Config): string[] {
  const problems: string[] = [];
  if (!/^(https?:\/\/|unix:\/[^/])/.test(doveadm.url) || !URL.canParse(doveadm.url)) {
    problems.push(
      'doveadm.url: must be a URL such as http://127.0.0.1:8080/doveadm/v1, or a socket such as unix:/run/dovecot/http',
    );
  }
  if (!/^(sqlite|rediss?):$/.test(protocolOf(store.url))) {
    problems.push('store.url: must begin with sqlite:/, redis:// or rediss://');
  }
  if (webpush.proxy_url !== '' && !/^https?:$/.test(protocolOf(webpush.proxy_url))) {
    problems.push('webpush.proxy_url: must be an http:// or https:// URL');
  }
  if (webpush.proxy_url === '' && webpush.proxy_username !== '') {
    problems.push('webpush.proxy_username: has no effect without webpush.proxy_url');
  }
  return problems;
}

const protocolOf = (url: string): string => (URL.canParse(url) ? new URL(url).protocol : '');
