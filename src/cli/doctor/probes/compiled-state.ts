import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Whether Pigeonhole will use the compiled form of a script, which has to be newer than it. Of the
 * script and the link to it, the newer one counts.
 *
 * @see Pigeonhole src/lib-sieve/storage/file/sieve-file-script.c, sieve_file_script_binary_read_metadata
 */
export async function compiledState(
  script: string,
  binDir: string | undefined,
): Promise<{ binary: string; is: 'good' | 'not-compiled' | 'compiled-outdated' }> {
  const name = `${basename(script).replace(/\.sieve$/, '')}.svbin`;
  const binary = join(binDir ?? dirname(script), name);
  const [source, compiled] = await Promise.all(
    [script, binary].map((path) => stat(path, { bigint: true }).catch(() => undefined)),
  );
  if (compiled === undefined) return { binary, is: 'not-compiled' };
  const isNewer = source === undefined || compiled.mtimeNs > source.mtimeNs;
  return { binary, is: isNewer ? 'good' : 'compiled-outdated' };
}
