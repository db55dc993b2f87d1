import { InvalidInputError } from '../../errors.ts';

/** `webpush.proxy_url`, `proxy_username`, `proxy_password` and `proxy_trusted_users`. */
export interface ProxySettings {
  url: string;
  username: string;
  password: string;
  trustedUsers?: readonly string[];
}

export interface Proxy {
  /** `http://proxy.lan:3128`, without credentials. */
  origin: string;
  hostname: string;
  /** The value of the Proxy-Authorization header (RFC 7617), when there are credentials. */
  authorization: string | undefined;
  /** Whose processes, besides root's and our own user's, are sent those on this host. */
  trustedUsers: readonly string[];
}

/**
 * @returns undefined when no proxy is set
 * @throws InvalidInputError the URL is not http:// or https://, or has more than host, port and credentials
 */
export function parseProxyUrl(settings: ProxySettings): Proxy | undefined {
  if (settings.url === '') {
    if (settings.username === '' && settings.password === '') return undefined;
    throw new InvalidInputError(
      'webpush.proxy_username and proxy_password are set without webpush.proxy_url',
    );
  }
  const url = URL.parse(settings.url);
  // The URL itself stays out of the message: it may contain a password.
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidInputError(
      'webpush.proxy_url is not an http:// or https:// URL; write it as "http://proxy.lan:3128"',
    );
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new InvalidInputError('webpush.proxy_url must end after host and port');
  }
  const username = settings.username === '' ? decodeURIComponent(url.username) : settings.username;
  const password = settings.password === '' ? decodeURIComponent(url.password) : settings.password;
  if (username.includes(':')) {
    throw new InvalidInputError('webpush.proxy_username must not contain a colon');
  }
  return {
    origin: url.origin,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    authorization:
      username === '' && password === ''
        ? undefined
        : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    trustedUsers: settings.trustedUsers ?? [],
  };
}
