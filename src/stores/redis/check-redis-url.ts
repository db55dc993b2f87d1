import { InvalidInputError } from '../../errors.ts';

/** @throws InvalidInputError the address is not a Redis URL; it stays out of the message */
export function checkRedisUrl(url: string): void {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === '' || !/^\/?\d*$/.test(parsed.pathname))
    throw new InvalidInputError(
      'the Redis address is not of the form redis://[user:password@]host[:port][/db]; special ' +
        'characters in the password are written as %XX',
    );
}
