import { fileURLToPath } from 'node:url';
import { UnavailableError } from '../../errors.ts';
import { runCommand } from '../demo/run-command.ts';

/** Whom the kernel takes a process for. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary ones. */
  readonly groups: readonly number[];
}

/** Something to try as somebody else. */
export type Deed =
  | { do: 'read' | 'append' | 'pass'; path: string }
  /** With a greeting it waits for the answer: some servers complain of those who say nothing. */
  | { do: 'connect'; path: string; greeting?: string }
  | {
      do: 'run';
      file: string;
      args: readonly string[];
      env: Readonly<Record<string, string>>;
      input: string;
    };

export type Outcome =
  { done: true; status?: number; output?: string } | { done: false; code: string; message: string };

export interface ActingOrder {
  /** Undefined: who runs this. */
  identity: Identity | undefined;
  deeds: readonly Deed[];
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const CHILD = fileURLToPath(new URL(`./act-as-child.${extension}`, import.meta.url));

/**
 * Does something as another user, in a process of its own, as that is what permissions are for:
 * what modes, groups, ACLs and directories on the way come to is up to the kernel.
 *
 * @throws UnavailableError this process may not become that user
 */
export async function actAs(identity: Identity, deeds: readonly Deed[]): Promise<Outcome[]> {
  if (!canActAs(identity)) throw new UnavailableError('only root can try this as another user');
  const order: ActingOrder = { identity: process.getuid?.() === 0 ? identity : undefined, deeds };
  const ran = await runCommand(process.execPath, [CHILD, JSON.stringify(order)]);
  if (ran.exitCode !== 0) throw new UnavailableError(`cannot act as a user: ${ran.stderr}`);
  return JSON.parse(ran.stdout) as Outcome[];
}

/** Root can act as anyone, others as themselves. */
export const canActAs = ({ uid }: Identity): boolean =>
  process.getuid?.() === 0 || process.getuid?.() === uid;
