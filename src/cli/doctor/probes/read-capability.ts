import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { InetListener } from '../../../dovecot/settings/dovecot-settings.ts';
import { UnavailableError } from '../../../errors.ts';

const TIMEOUT_MSECS = 10_000;

/**
 * What an IMAP server says of itself before anybody has logged in (RFC 9051 section 7.2.2).
 *
 * @throws UnavailableError nobody answers there, or nobody who speaks IMAP
 */
export function readCapability({ host, port, tls }: InetListener): Promise<Set<string>> {
  return new Promise((resolve, reject) => {
    // The certificate is for the name that clients use, which this is not.
    const socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connectPlain({ host, port });
    const where = `${host} port ${port}`;
    let text = '';
    let asked = false;
    const timer = setTimeout(() => fail('does not answer'), TIMEOUT_MSECS);
    const fail = (what: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new UnavailableError(`IMAP at ${where} ${what}`));
    };
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const words = /^\* (?:OK \[)?CAPABILITY ([^\]\r\n]*)[\]\r]/im.exec(text)?.[1];
      if (words !== undefined) {
        clearTimeout(timer);
        socket.end('z LOGOUT\r\n').destroySoon();
        resolve(new Set(words.split(' ')));
      } else if (!asked && text.includes('\r\n')) {
        asked = true;
        socket.write('a CAPABILITY\r\n');
      }
    });
    socket.once('error', (error) => fail(`cannot be reached (${error.message})`));
    socket.once('close', () => fail('hung up'));
  });
}
