import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Input } from './door.ts';
import type { Finding } from './finding.ts';
import { describeInput, minimise, type MinimiseOptions } from './minimise.ts';
import type { ServiceUnderTest } from './service-under-test.ts';

export interface FoundFault {
  finding: Finding;
  round: number;
  /** The state, what was found, and the octets that do it again. */
  dir: string;
  smallest: string;
}

export interface FaultRecordOptions extends MinimiseOptions {
  /** Kinds that are counted, and no faults. */
  known: ReadonlySet<string>;
}

/** Of a round's inputs, to be sent again when something was found. */
const KEPT_INPUTS = 20_000;
const KEPT_OCTETS = 64 * 1_024 * 1_024;

/** What was sent last, and what was found: of each kind the first, with the smallest input that does it. */
export class FaultRecord {
  readonly faults: FoundFault[] = [];
  /** How often something known was found. */
  readonly known = new Map<string, number>();
  readonly #options: FaultRecordOptions;
  #inputs: Input[] = [];
  #octets = 0;

  constructor(options: FaultRecordOptions) {
    this.#options = options;
  }

  beginRound(): void {
    this.#inputs = [];
    this.#octets = 0;
  }

  sent(input: Input): void {
    this.#inputs.push(input);
    this.#octets += input.octets.length;
    while (this.#inputs.length > KEPT_INPUTS || this.#octets > KEPT_OCTETS) {
      this.#octets -= this.#inputs.shift()?.octets.length ?? 0;
    }
  }

  /** @returns whether that is known */
  isKnown({ kind }: Finding): boolean {
    if (!this.#options.known.has(kind)) return false;
    this.known.set(kind, (this.known.get(kind) ?? 0) + 1);
    return true;
  }

  /** To be called when the service has ended; its directory stays if this is something new. */
  async add(finding: Finding, round: number, service: ServiceUnderTest): Promise<void> {
    const { dir } = service;
    const isNew = !this.faults.some((one) => one.finding.kind === finding.kind);
    if (this.#options.known.has(finding.kind) || !isNew) {
      rmSync(dir, { recursive: true, force: true });
      return;
    }
    const smallest = await minimise(finding, this.#inputs, this.#options);
    const described = smallest === undefined ? 'not found again' : describeInput(smallest);
    writeFileSync(join(dir, 'finding.txt'), `${finding.message}\n\n${described}\n`);
    writeFileSync(join(dir, 'log'), service.log.tail.join('\n'));
    for (const [at, { octets }] of (smallest ?? []).entries()) {
      writeFileSync(join(dir, `input-${at}`), octets);
    }
    this.faults.push({ finding, round, dir, smallest: described });
  }
}
