import ipaddr from 'ipaddr.js';

/**
 * Whether a host, as `URL.hostname` or a name server gives it, is an address. Asks ipaddr.js only about
 * what looks like one: it takes "127.1" too, and saying no costs it two exceptions with their stacks.
 */
export const isAddress = (host: string): boolean =>
  (host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)) && ipaddr.isValid(host);
