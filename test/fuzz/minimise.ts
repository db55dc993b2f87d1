import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Input } from './door.ts';
import { Finding } from './finding.ts';
import type { RightDialogue } from './right-dialogue.ts';
import { MEMORY_MIB, ServiceUnderTest, type Surroundings } from './service-under-test.ts';

export interface MinimiseOptions {
  dialogue: RightDialogue;
  /** For the states that are made meanwhile. */
  dir: string;
  surroundings: Surroundings;
  /** After which the smallest that was found so far has to do. */
  msecs: number;
}

/** At the same time, as in a round. */
const AT_A_TIME = 16;
/** What is longer is long for a reason. */
const MOST_OCTETS = 100_000;

/**
 * The smallest part of what was sent that does the same to a new service over a new state: first fewer
 * inputs, then fewer octets of the one that is left.
 *
 * @returns undefined when all of it together does not
 */
export async function minimise(
  finding: Finding,
  inputs: readonly Input[],
  options: MinimiseOptions,
): Promise<Input[] | undefined> {
  const deadline = performance.now() + options.msecs;
  let tries = 0;
  const again = async (some: readonly Input[]): Promise<boolean> => {
    if (performance.now() > deadline) return false;
    tries += 1;
    const dir = join(options.dir, String(tries));
    const found = await replay(some, dir, options);
    rmSync(dir, { recursive: true, force: true });
    return found?.kind === finding.kind;
  };
  const { input } = finding;
  let smallest: readonly Input[] | undefined =
    input !== undefined && (await again([input])) ? [input] : undefined;
  // What did it is often what came last.
  for (const count of [8, 64, 512, inputs.length]) {
    const last = inputs.slice(-count);
    if (smallest === undefined && last.length > 0 && (await again(last))) smallest = last;
  }
  if (smallest === undefined) return undefined;
  const fewest = await shrinkList(smallest, again);
  const [only, ...others] = fewest;
  if (only === undefined || others.length > 0 || only.octets.length > MOST_OCTETS) {
    return [...fewest];
  }
  const octets = await shrinkList([...only.octets], (some) =>
    again([{ door: only.door, octets: Buffer.from(some) }]),
  );
  return [{ door: only.door, octets: Buffer.from(octets) }];
}

/** Takes out ever smaller pieces for as long as the rest does the same (delta debugging). */
export async function shrinkList<T>(
  list: readonly T[],
  holds: (some: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = list;
  for (
    let size = Math.ceil(list.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < left.length && left.length > 1;) {
      const without = [...left.slice(0, at), ...left.slice(at + size)];
      if (without.length > 0 && (await holds(without))) left = without;
      else at += size;
    }
  }
  return left;
}

/** One short round with these inputs alone. @returns the first finding */
async function replay(
  inputs: readonly Input[],
  dir: string,
  { dialogue, surroundings }: MinimiseOptions,
): Promise<Finding | undefined> {
  const service = new ServiceUnderTest(dir, surroundings);
  const isLocal = inputs.every(({ door }) => door.local === true);
  const queue = [...inputs];
  const lanes = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await next.door.deliver(next.octets, service.target);
    }
  };
  try {
    if (isLocal) await lanes();
    else
      await surround(service, dialogue, () =>
        Promise.all(Array.from({ length: AT_A_TIME }, lanes)),
      );
    return service.death ?? service.log.findings[0] ?? surroundings.doveadm.findings[0];
  } catch (error) {
    return service.death ?? (error instanceof Finding ? error : undefined);
  } finally {
    surroundings.doveadm.findings.length = 0;
    await service.stop('SIGKILL').catch(() => undefined);
  }
}

/** What goes before and after the inputs of a round. */
async function surround(
  service: ServiceUnderTest,
  dialogue: RightDialogue,
  attack: () => Promise<unknown>,
): Promise<void> {
  dialogue.forget();
  await service.start();
  await dialogue.hold(service.target);
  await attack();
  if (service.death !== undefined) return;
  await dialogue.hold(service.target);
  const { most } = service.memory();
  if (most > MEMORY_MIB) throw new Finding('memory', `${most} MiB resident`);
  await service.stop('SIGTERM');
  await service.start();
  await dialogue.hold(service.target);
}

/** As it may be pasted into a test. */
export const describeInput = (inputs: readonly Input[]): string =>
  inputs
    .slice(0, 4)
    .map(({ door, octets }) => {
      const shown = JSON.stringify(octets.toString('latin1', 0, 1_500));
      return `${door.name} (${octets.length} octets): ${shown}${octets.length > 1_500 ? ' …' : ''}`;
    })
    .concat(inputs.length > 4 ? [`and ${inputs.length - 4} more`] : [])
    .join('\n');
