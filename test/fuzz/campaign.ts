import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import { startScriptedPushService } from '../support/scripted-push-service.ts';
import { startAnyAnswerService } from './any-answer-service.ts';
import { Chance, mixSeed } from './chance.ts';
import { DictModel } from './dict-model.ts';
import type { Door, Input } from './door.ts';
import { startDoveadmJudge } from './doveadm-judge.ts';
import { Finding, KNOWN } from './finding.ts';
import { describeInput, minimise } from './minimise.ts';
import { Pulse } from './pulse.ts';
import { RightDialogue } from './right-dialogue.ts';
import { MEMORY_MIB, ServiceUnderTest, type Surroundings } from './service-under-test.ts';

export interface CampaignOptions {
  seed: number;
  minutes: number;
  /** The round to begin with. */
  round: number;
  roundSeconds: number;
  /** How long the search for the smallest input of one finding may take. */
  minimiseSeconds: number;
  doors: readonly Door[];
  say: (words: string) => void;
}

export interface FoundFault {
  finding: Finding;
  round: number;
  /** The state, and what was sent. */
  dir: string;
  smallest: string;
}

export interface CampaignReport {
  seconds: number;
  rounds: number;
  inputs: Map<string, number>;
  transactions: number;
  answers: number;
  faults: FoundFault[];
  /** MiB: after the first start, after the last, and the most at any time. */
  memory: { first: number; last: number; most: number };
  longestStallMsecs: number;
  log: { lines: number; octets: number };
}

/** The watchdog ends the service after 30 s; what comes near to that is as bad. */
const STALL_MSECS = 10_000;
const MODEL_USERS = 8;
/** Of a round's inputs, to be sent again when something was found. */
const KEPT_INPUTS = 20_000;
const KEPT_OCTETS = 64 * 1_024 * 1_024;
/** A run that finds more than this has said enough. */
const MOST_FAULTS = 12;

/**
 * Rounds of all doors at once against one service and one state. A round ends with the service at rest,
 * its log, memory and stalls judged, stopped (every other time killed amid its work), started again over
 * what it left, and asked a right dialogue and all that the model of the dict knows.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  await using running = new AsyncDisposableStack();
  const push = await startAnyAnswerService();
  running.defer(() => push.close());
  const right = await startScriptedPushService();
  running.defer(() => right.close());
  const doveadm = await startDoveadmJudge();
  running.defer(() => doveadm.close());
  const campaign = new Campaign(options, { push, doveadm, port: await findFreePort() });
  const dialogue = new RightDialogue(right);
  running.defer(() => campaign.end());
  return await campaign.run(dialogue);
}

class Campaign {
  readonly report: CampaignReport;
  readonly #options: CampaignOptions;
  readonly #surroundings: Surroundings;
  readonly #dir = mkdtempSync(join(tmpdir(), 'coi-fuzz-'));
  #models: DictModel[] = [];
  #service: ServiceUnderTest | undefined;
  #inputs: Input[] = [];
  #keptOctets = 0;
  #states = 0;

  constructor(options: CampaignOptions, surroundings: Surroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.report = {
      ...{ seconds: 0, rounds: 0, transactions: 0, answers: 0, faults: [], longestStallMsecs: 0 },
      inputs: new Map(options.doors.map(({ name }) => [name, 0])),
      memory: { first: 0, last: 0, most: 0 },
      log: { lines: 0, octets: 0 },
    };
  }

  async run(dialogue: RightDialogue): Promise<CampaignReport> {
    const { minutes, round: first, say } = this.#options;
    const began = performance.now();
    const left = (): number => began + minutes * 60_000 - performance.now();
    for (let round = first; left() > 0 && this.report.faults.length < MOST_FAULTS; round++) {
      let before = '';
      try {
        const service = (this.#service ??= this.#newState(dialogue));
        if (!service.running) await service.start();
        await dialogue.hold(service.target);
        const { now } = service.memory();
        if (this.report.memory.first === 0) this.report.memory.first = now;
        before = join(this.#dir, `before-${round}`);
        await this.#attack(service, round, Math.min(this.#options.roundSeconds * 1_000, left()));
        await this.#startAnew(service, round, before);
        await dialogue.hold(service.target);
        for (const model of this.#models) await model.compare(service.target);
        this.#judge(service);
        this.report.rounds += 1;
        rmSync(before, { recursive: true, force: true });
        say(this.#progress(round, service));
      } catch (error) {
        await this.#record(toFinding(error), round, before, dialogue);
      }
    }
    this.report.seconds = (performance.now() - began) / 1_000;
    this.report.answers = this.#surroundings.push.requests;
    return this.report;
  }

  async end(): Promise<void> {
    await this.#service?.stop('SIGKILL');
    if (this.report.faults.length === 0) rmSync(this.#dir, { recursive: true, force: true });
  }

  #newState(dialogue: RightDialogue): ServiceUnderTest {
    dialogue.forget();
    this.#states += 1;
    this.#models = Array.from({ length: MODEL_USERS }, (_, index) => new DictModel(index));
    return new ServiceUnderTest(join(this.#dir, `state-${this.#states}`), this.#surroundings);
  }

  /** All doors at once for a while. @throws Finding the first that any of them saw */
  async #attack(service: ServiceUnderTest, round: number, msecs: number): Promise<void> {
    this.#inputs = [];
    this.#keptOctets = 0;
    const pulse = new Pulse(service.target);
    const until = performance.now() + msecs;
    let found: Finding | undefined;
    const running = (): boolean =>
      performance.now() < until && found === undefined && service.death === undefined;
    const catching = async (work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        found ??= toFinding(error);
      }
    };
    const { seed, doors } = this.#options;
    await Promise.all([
      catching(pulse.watch(running)),
      ...doors.flatMap((door, at) =>
        Array.from({ length: door.lanes }, (_, lane) => {
          const chance = new Chance(mixSeed(seed, round, at, lane));
          return catching(this.#knock(door, chance, service, running));
        }),
      ),
      ...this.#models.map((model, at) => {
        const chance = new Chance(mixSeed(seed, round, doors.length, at));
        return catching(model.exercise(chance, service.target, running));
      }),
    ]);
    this.report.longestStallMsecs = Math.max(
      this.report.longestStallMsecs,
      pulse.longestStallMsecs,
    );
    const { most, now } = service.memory();
    this.report.memory.most = Math.max(this.report.memory.most, most);
    this.report.memory.last = now;
    if (service.death !== undefined) throw service.death;
    if (found !== undefined) throw found;
    if (pulse.longestStallMsecs > STALL_MSECS) {
      throw new Finding('the event loop stood still', `${pulse.longestStallMsecs.toFixed(0)} ms`);
    }
    if (most > MEMORY_MIB) throw new Finding('memory', `${most} MiB resident`);
    this.#judge(service);
  }

  async #knock(
    door: Door,
    chance: Chance,
    { target }: ServiceUnderTest,
    running: () => boolean,
  ): Promise<void> {
    while (running()) {
      const octets = door.make(chance);
      this.#keep({ door, octets });
      try {
        await door.deliver(octets, target);
      } catch (error) {
        throw Object.assign(toFinding(error), { input: { door, octets } });
      }
      // Doors that wait for nothing are not to keep the others waiting.
      await new Promise((resolve) => setImmediate(resolve));
      this.report.inputs.set(door.name, (this.report.inputs.get(door.name) ?? 0) + 1);
    }
  }

  #keep(input: Input): void {
    this.#inputs.push(input);
    this.#keptOctets += input.octets.length;
    while (this.#inputs.length > KEPT_INPUTS || this.#keptOctets > KEPT_OCTETS) {
      this.#keptOctets -= this.#inputs.shift()?.octets.length ?? 0;
    }
  }

  /** Stopped in even rounds, and killed amid the model's work in odd ones. */
  async #startAnew(service: ServiceUnderTest, round: number, before: string): Promise<void> {
    if (round % 2 === 0) await service.stop('SIGTERM');
    else {
      const work = this.#models.map((model, at) =>
        model.exercise(new Chance(mixSeed(round, at)), service.target, () => service.running),
      );
      await sleep(100);
      await service.stop('SIGKILL');
      await Promise.all(work);
    }
    service.copyState(before);
    await service.start();
  }

  #judge(service: ServiceUnderTest): void {
    if (service.death !== undefined) throw service.death;
    const [first] = [...service.log.findings, ...this.#surroundings.doveadm.findings];
    service.log.findings.length = 0;
    this.#surroundings.doveadm.findings.length = 0;
    if (first !== undefined) throw first;
  }

  /** Keeps what there is to know, looks for the smallest input, and goes on with another state. */
  async #record(
    finding: Finding,
    round: number,
    before: string,
    dialogue: RightDialogue,
  ): Promise<void> {
    const { say, minimiseSeconds } = this.#options;
    const service = this.#service;
    this.#service = undefined;
    const dir = service?.dir ?? this.#dir;
    await service?.stop('SIGKILL').catch(() => undefined);
    rmSync(before || 'nothing', { recursive: true, force: true });
    const known = KNOWN.get(finding.kind);
    say(
      `round ${round}: ${finding.message.slice(0, 600)}${known === undefined ? '' : ` (known: ${known})`}`,
    );
    const isNew = !this.report.faults.some((one) => one.finding.kind === finding.kind);
    const smallest = isNew
      ? await minimise(finding, this.#inputs, {
          dialogue,
          dir: join(this.#dir, `smallest-${round}`),
          surroundings: this.#surroundings,
          msecs: minimiseSeconds * 1_000,
        })
      : undefined;
    const described = smallest === undefined ? 'not found again' : describeInput(smallest);
    writeFileSync(join(dir, 'finding.txt'), `${finding.message}\n\n${described}\n`);
    if (smallest !== undefined) {
      for (const [at, { octets }] of smallest.entries()) {
        writeFileSync(join(dir, `input-${at}`), octets);
      }
    }
    if (known === undefined && isNew)
      this.report.faults.push({ finding, round, dir, smallest: described });
    else if (service !== undefined) rmSync(dir, { recursive: true, force: true });
  }

  #progress(round: number, service: ServiceUnderTest): string {
    const inputs = [...this.report.inputs.values()].reduce((sum, count) => sum + count, 0);
    this.report.log.lines += service.log.lines;
    this.report.log.octets += service.log.octets;
    service.log.lines = service.log.octets = 0;
    this.report.transactions = this.#models.reduce((sum, model) => sum + model.transactions, 0);
    const { last, most } = this.report.memory;
    const stall = this.report.longestStallMsecs.toFixed(0);
    return `round ${round}: ${inputs} inputs, ${last} MiB (${most} at most), longest stall ${stall} ms`;
  }
}

const toFinding = (error: unknown): Finding =>
  error instanceof Finding
    ? error
    : new Finding(
        'the harness',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
