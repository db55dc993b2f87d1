import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import { startScriptedPushService } from '../support/scripted-push-service.ts';
import { startAnyAnswerService } from './any-answer-service.ts';
import { Chance, mixSeed } from './chance.ts';
import { DictModel } from './dict-model.ts';
import type { Door } from './door.ts';
import { startDoveadmJudge } from './doveadm-judge.ts';
import { FaultRecord, type FoundFault } from './fault-record.ts';
import { Finding } from './finding.ts';
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
  /** Kinds of findings that are counted, and no faults. */
  known: ReadonlySet<string>;
  say: (words: string) => void;
}

export interface CampaignReport {
  seconds: number;
  /** Each ends with a restart. */
  rounds: number;
  /** By door. */
  inputs: Map<string, number>;
  /** Compared with the model. */
  transactions: number;
  /** Of the hostile push service. */
  answers: number;
  faults: readonly FoundFault[];
  known: ReadonlyMap<string, number>;
  /** MiB: before the first attack, after the last, and the most at any time. */
  memory: { before: number; after: number; most: number };
  longestStallMsecs: number;
  log: { lines: number; octets: number };
}

/** The watchdog ends the service after 30 s; what comes near to that is as bad. */
const STALL_MSECS = 10_000;
/** A slow machine may have used all of its time for the start. */
const LEAST_ROUND_MSECS = 3_000;
const MODEL_USERS = 8;
/** A run that finds more than this has said enough. */
const MOST_FAULTS = 12;

/**
 * Rounds of all doors at once against one service and one state. A round ends with the service's log,
 * memory and stalls judged; it is stopped (every other time killed amid its work), started again over
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
  const surroundings = { push, doveadm, port: await findFreePort() };
  const campaign = new Campaign(options, surroundings, new RightDialogue(right));
  running.defer(() => campaign.end());
  return await campaign.run();
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #surroundings: Surroundings;
  readonly #dialogue: RightDialogue;
  readonly #dir = mkdtempSync(join(tmpdir(), 'coi-fuzz-'));
  readonly #record: FaultRecord;
  readonly #report: CampaignReport;
  #models: DictModel[] = [];
  #service: ServiceUnderTest | undefined;
  #states = 0;

  constructor(options: CampaignOptions, surroundings: Surroundings, dialogue: RightDialogue) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.#dialogue = dialogue;
    const { known, minimiseSeconds } = options;
    const dir = join(this.#dir, 'smallest');
    this.#record = new FaultRecord({
      ...{ known, dialogue, surroundings, dir },
      msecs: minimiseSeconds * 1_000,
    });
    this.#report = {
      ...{ seconds: 0, rounds: 0, transactions: 0, answers: 0, longestStallMsecs: 0 },
      ...{ faults: this.#record.faults, known: this.#record.known },
      inputs: new Map(options.doors.map(({ name }) => [name, 0])),
      memory: { before: 0, after: 0, most: 0 },
      log: { lines: 0, octets: 0 },
    };
  }

  async run(): Promise<CampaignReport> {
    const { minutes, round: first, say } = this.#options;
    const began = performance.now();
    const left = (): number => began + minutes * 60_000 - performance.now();
    const { faults } = this.#record;
    for (let round = first; left() > 0 && faults.length < MOST_FAULTS; round++) {
      const service = (this.#service ??= this.#newState());
      try {
        await this.#runRound(service, round, left);
        say(this.#progress(round, service));
      } catch (error) {
        const finding = toFinding(error);
        say(`round ${round}: ${finding.message.slice(0, 600)}`);
        this.#service = undefined;
        await service.stop('SIGKILL').catch(() => undefined);
        await this.#record.add(finding, round, service);
      }
    }
    this.#report.seconds = (performance.now() - began) / 1_000;
    this.#report.answers = this.#surroundings.push.requests;
    return this.#report;
  }

  async end(): Promise<void> {
    await this.#service?.stop('SIGKILL');
    if (this.#record.faults.length === 0) rmSync(this.#dir, { recursive: true, force: true });
  }

  #newState(): ServiceUnderTest {
    this.#dialogue.forget();
    this.#states += 1;
    this.#models = Array.from({ length: MODEL_USERS }, (_, index) => new DictModel(index));
    return new ServiceUnderTest(join(this.#dir, `state-${this.#states}`), this.#surroundings);
  }

  /** @throws Finding */
  async #runRound(service: ServiceUnderTest, round: number, left: () => number): Promise<void> {
    const { roundSeconds } = this.#options;
    const { memory } = this.#report;
    if (!service.running) {
      await service.start();
      await this.#dialogue.hold(service.target);
    }
    if (memory.before === 0) memory.before = service.memory().now;
    await this.#attack(
      service,
      round,
      Math.max(LEAST_ROUND_MSECS, Math.min(roundSeconds * 1_000, left())),
    );
    await this.#startAnew(service, round);
    await this.#dialogue.hold(service.target);
    for (const model of this.#models) await model.compare(service.target);
    this.#judge(service);
    this.#report.rounds += 1;
  }

  /** All doors at once for a while. @throws Finding the first that any of them saw */
  async #attack(service: ServiceUnderTest, round: number, msecs: number): Promise<void> {
    this.#record.beginRound();
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
    const { memory } = this.#report;
    const { most, now } = service.memory();
    memory.most = Math.max(memory.most, most);
    memory.after = now;
    const stall = pulse.longestStallMsecs;
    this.#report.longestStallMsecs = Math.max(this.#report.longestStallMsecs, stall);
    if (service.death !== undefined) throw service.death;
    if (found !== undefined) throw found;
    this.#throwUnlessKnown([
      ...(stall > STALL_MSECS ? [new Finding('event loop', `stood still for ${stall} ms`)] : []),
      ...(most > MEMORY_MIB ? [new Finding('memory', `${most} MiB resident`)] : []),
    ]);
    this.#judge(service);
  }

  async #knock(
    door: Door,
    chance: Chance,
    { target }: ServiceUnderTest,
    running: () => boolean,
  ): Promise<void> {
    const { inputs } = this.#report;
    while (running()) {
      const input = { door, octets: door.make(chance) };
      this.#record.sent(input);
      try {
        await door.deliver(input.octets, target);
      } catch (error) {
        const finding = Object.assign(toFinding(error), { input });
        if (!this.#record.isKnown(finding)) throw finding;
      }
      inputs.set(door.name, (inputs.get(door.name) ?? 0) + 1);
      if (door.pauseMsecs !== undefined) await sleep(door.pauseMsecs);
    }
  }

  /** Stopped in even rounds, and killed amid the model's work in odd ones. */
  async #startAnew(service: ServiceUnderTest, round: number): Promise<void> {
    if (round % 2 === 0) await service.stop('SIGTERM');
    else {
      const work = this.#models.map((model, at) =>
        model.exercise(new Chance(mixSeed(round, at)), service.target, () => service.running),
      );
      await sleep(100);
      await service.stop('SIGKILL');
      await Promise.all(work);
    }
    await service.start();
  }

  #judge(service: ServiceUnderTest): void {
    if (service.death !== undefined) throw service.death;
    this.#throwUnlessKnown([
      ...service.log.findings.splice(0),
      ...this.#surroundings.doveadm.findings.splice(0),
    ]);
  }

  #throwUnlessKnown(findings: readonly Finding[]): void {
    const first = findings.filter((finding) => !this.#record.isKnown(finding))[0];
    if (first !== undefined) throw first;
  }

  #progress(round: number, { log }: ServiceUnderTest): string {
    const { inputs, memory, longestStallMsecs } = this.#report;
    this.#report.log.lines += log.lines;
    this.#report.log.octets += log.octets;
    this.#report.transactions += this.#models.reduce((sum, model) => sum + model.takeCount(), 0);
    log.lines = log.octets = 0;
    const count = [...inputs.values()].reduce((sum, one) => sum + one, 0);
    const held = `${memory.after} MiB (${memory.most} at most)`;
    return `round ${round}: ${count} inputs, ${held}, longest stall ${longestStallMsecs.toFixed(0)} ms`;
  }
}

const toFinding = (error: unknown): Finding =>
  error instanceof Finding
    ? error
    : new Finding('harness', error instanceof Error ? (error.stack ?? '') : String(error));
