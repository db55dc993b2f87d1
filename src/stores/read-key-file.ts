import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { InvalidInputError, errorMessage } from '../errors.ts';

const KEY_OCTETS = 32;

/** Far more than any of the three forms takes. */
const MAX_FILE_OCTETS = 1024;

/**
 * The 32 octets in a key file: as they are, in hexadecimal, or in base64 (either alphabet), with
 * white space around the text.
 *
 * @throws InvalidInputError the file cannot be read, may be read by others, or holds no such key
 */
export function readKeyFile(path: string): Buffer {
  const octets = readPrivately(path);
  const key = decodeKey(octets);
  if (key === undefined)
    throw new InvalidInputError(
      `${path} does not hold a key of ${KEY_OCTETS} octets in raw, hex or base64 form; make one ` +
        `with "openssl rand -hex ${KEY_OCTETS}"`,
    );
  return key;
}

function readPrivately(path: string): Buffer {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { mode, size } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0)
      throw new InvalidInputError(
        `${path} may be used by others than its owner; run "chmod 600 ${path}"`,
      );
    if (size > MAX_FILE_OCTETS) return Buffer.alloc(0);
    return readFileSync(descriptor);
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw new InvalidInputError(
      `${path} cannot be read: ${errorMessage(error)}; it must belong to the user that runs the ` +
        'sidecar',
      { cause: error },
    );
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function decodeKey(octets: Buffer): Buffer | undefined {
  const text = octets.toString('latin1').trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[0-9a-z+/_-]{43}=?$/i.test(text)) return Buffer.from(text, 'base64');
  // 32 hexadecimal digits are half a key in text form, not a whole one in raw form.
  const raw = octets.length === KEY_OCTETS && !/^[0-9a-f]{32}$/i.test(text);
  return raw ? octets : undefined;
}
