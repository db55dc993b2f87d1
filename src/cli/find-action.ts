import { InvalidInputError } from '../errors.ts';
import type { AdminClient } from './admin-client.ts';
import { usageOf, type Command } from './command.ts';

/** What the second word of a command stands for: `coi-sidecar users show USER`. */
export interface Action {
  /** What has to follow it. */
  names: readonly string[];
  run: (client: AdminClient, json: boolean, ...names: string[]) => Promise<void>;
}

/** @throws InvalidInputError there is no such action, or it was given other names than it takes */
export function findAction(
  command: Command,
  actions: Readonly<Record<string, Action>>,
  [word, ...names]: readonly string[],
  standard: string,
): { action: Action; names: string[] } {
  const name = word ?? standard;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) {
    throw new InvalidInputError(`there is no "${command.name} ${name}"\n${usageOf(command)}`);
  }
  if (names.length !== action.names.length || names.includes('')) {
    const wanted = [command.name, name, ...action.names].join(' ');
    throw new InvalidInputError(`usage: coi-sidecar ${wanted} [--json] [--config FILE]`);
  }
  return { action, names };
}
