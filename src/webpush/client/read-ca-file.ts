import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorMessage, InvalidInputError } from '../../errors.ts';

const CERTIFICATE = /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[^-]*-----END \1-----/g;

/**
 * `webpush.ca_file`: certificate authorities in PEM, one after the other, as TLS takes them. What it
 * cannot read it would pass over in silence.
 *
 * @returns nothing for an empty path
 * @throws InvalidInputError naming the file and what is wrong with it
 */
export async function readCaFile(path: string): Promise<string[]> {
  if (path === '') return [];
  const refuse = (why: string, cause?: unknown): never => {
    throw new InvalidInputError(`webpush.ca_file: ${path} ${why}`, { cause });
  };
  const text = await readFile(path, 'utf8').catch((error: unknown) =>
    refuse(`cannot be read by this service (${errorMessage(error)})`, error),
  );
  const certificates = text.match(CERTIFICATE) ?? refuse('holds no certificate in PEM form');
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      refuse(`is damaged in its certificate ${index + 1} (${errorMessage(error)})`, error);
    }
  }
  return [text];
}
