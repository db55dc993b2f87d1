import type { ImapFlow } from 'imapflow';
import { SidecarError } from '../../errors.ts';

/** One server annotation (RFC 5464) by its entry name, NIL as null. */
export type Annotations = Map<string, string | null>;

interface Attribute {
  type: 'ATOM' | 'STRING' | 'LITERAL';
  value: string;
}
type Argument = Attribute | Argument[];

interface Token {
  value?: string | Buffer;
}

/** `* METADATA "" (entry value …)`: the mailbox, then the list. */
interface Untagged {
  attributes?: [Token, (Token | null)[]?];
}

/** imapflow has no METADATA of its own; its `exec` is what its own commands are made with. */
interface Executor {
  exec(
    command: string,
    args: Argument[],
    options?: { untagged: Record<string, (untagged: Untagged) => Promise<void>> },
  ): Promise<{ next(): void }>;
}

/** The server said NO. */
export class AnnotationRefusedError extends SidecarError {
  constructor(entry: string, cause: unknown) {
    super('refused', `the server refused ${entry}`, { cause });
  }
}

const atom = (value: string): Attribute => ({ type: 'ATOM', value });
const text = (value: string): Attribute => ({ type: 'STRING', value });

/** @throws AnnotationRefusedError the server said NO */
export async function setAnnotation(
  client: ImapFlow,
  entry: string,
  value: string | null,
): Promise<void> {
  // A literal carries line ends, which a quoted string cannot.
  const argument = value === null ? atom('NIL') : { type: 'LITERAL' as const, value };
  try {
    const response = await (client as unknown as Executor).exec('SETMETADATA', [
      text(''),
      [atom(entry), argument],
    ]);
    response.next();
  } catch (cause) {
    throw new AnnotationRefusedError(entry, cause);
  }
}

export async function getAnnotations(
  client: ImapFlow,
  entry: string,
  depth: '0' | '1' | 'infinity' = '0',
): Promise<Annotations> {
  const found: Annotations = new Map();
  const response = await (client as unknown as Executor).exec(
    'GETMETADATA',
    [[atom('DEPTH'), atom(depth)], text(''), [atom(entry)]],
    {
      untagged: {
        METADATA: ({ attributes }) => {
          const pairs = attributes?.[1] ?? [];
          for (let at = 0; at + 1 < pairs.length; at += 2) {
            const value = pairs[at + 1]?.value;
            found.set(String(pairs[at]?.value), value === undefined ? null : String(value));
          }
          return Promise.resolve();
        },
      },
    },
  );
  response.next();
  return found;
}
