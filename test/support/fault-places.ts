import { readFile } from 'node:fs/promises';
import { Session, type Profiler } from 'node:inspector';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the doctor says that something is wrong. */
const PLACE = /\breport\.fault\((?:'([^']+)')?|\bnew TripEnd\(/g;
const WATCHED = /\/src\/cli\/doctor\/(?:checks|trip)\/[^/]+\.ts$/;

// Counting begins with this import, and has to begin before the doctor does anything. The module's text
// stands in memory as in the file: Node writes blanks over types.
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/**
 * The places in the doctor's sources where a fault is reported, `events-url.ts:57`, and whether this
 * process has been there, as V8 counts it. One fault may have several.
 *
 * @param elsewhere faults that another process is brought to
 */
export async function faultPlaces(
  elsewhere: ReadonlySet<string>,
): Promise<{ reached: string[]; unreached: string[] }> {
  const places = { reached: [] as string[], unreached: [] as string[] };
  for (const { url, functions } of await takeCoverage()) {
    if (!WATCHED.test(url)) continue;
    const path = fileURLToPath(url);
    const source = await readFile(path, 'utf8');
    const ranges = functions.flatMap((one) => one.ranges);
    for (const { index, 1: fault = '' } of source.matchAll(PLACE)) {
      if (elsewhere.has(`${basename(path, '.ts')}.${fault}`)) continue;
      const line = source.slice(0, index).split('\n').length;
      const place = `${basename(path)}:${line}`;
      if (countAt(index, ranges) > 0) places.reached.push(place);
      else places.unreached.push(place);
    }
  }
  return places;
}

/** What the innermost range around it says. */
function countAt(offset: number, ranges: readonly Profiler.CoverageRange[]): number {
  const [innermost] = ranges
    .filter(({ startOffset, endOffset }) => startOffset <= offset && offset < endOffset)
    .sort((a, b) => a.endOffset - a.startOffset - (b.endOffset - b.startOffset));
  return innermost?.count ?? 0;
}

const takeCoverage = (): Promise<readonly Profiler.ScriptCoverage[]> =>
  new Promise((resolve, reject) => {
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
