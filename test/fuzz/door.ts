import type { Chance } from './chance.ts';
import type { EventRoad } from './event-road.ts';
import type { AnyAnswerService } from './any-answer-service.ts';

/** Where the service under test can be reached, and what it was told. */
export interface Target {
  readonly http: { host: string; port: number };
  readonly dictSocket: string;
  readonly scriptSocket: string;
  readonly token: string;
  readonly adminToken: string;
  readonly events: EventRoad;
  readonly push: AnyAnswerService;
  /** None of them may stand in an answer. */
  readonly secrets: readonly string[];
}

/** A way in. Making an input and delivering it are two things: an input that found something comes again. */
export interface Door {
  readonly name: string;
  /** How many are delivered at a time. */
  readonly lanes: number;
  /** Between two inputs of a lane: for what costs this process more than the service. */
  readonly pauseMsecs?: number;
  /** Whether it needs no service. */
  readonly local?: true;
  make(chance: Chance): Buffer;
  /** @throws Finding what came back is not what may come back */
  deliver(octets: Buffer, target: Target): Promise<void>;
}

/** What was sent in a round, in its order. */
export interface Input {
  door: Door;
  octets: Buffer;
}

/** Whose accounts strangers play with; neither the model's nor those of the right dialogue. */
export const USERS: readonly string[] = [
  ...Array.from({ length: 24 }, (_, index) => `user${index}@example.org`),
  ...['*', '?', 'us*', '*@example.org', '%u', '..', '../x', 'a/b', 'a\tb', "a'b", 'ü@example.org'],
  ...[' ', 'ÿ', '-', '-u', '--', 'x'.repeat(1_024), 'user@example.org\0', '__proto__', '\u{1f600}'],
];

export const INBOX_GUID = '0123456789abcdef0123456789abcdef';
