import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Finding } from './finding.ts';

export interface DoveadmJudge {
  readonly url: string;
  /** Calls so far. */
  readonly calls: number;
  readonly findings: Finding[];
  close(): void;
}

type Call = [name: string, parameters: { user?: unknown; mailboxMask?: unknown }, tag: string];

/**
 * Dovecot's doveadm HTTP API for users who have nothing: every command succeeds, and finds no message.
 * The real one forks a process a call, and could not keep up; what is asked of it matters here, and is
 * judged: a name that doveadm expands stands for other users as well (doveadm's `-u`, wildcards).
 */
export async function startDoveadmJudge(): Promise<DoveadmJudge> {
  const findings: Finding[] = [];
  let calls = 0;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const commands = JSON.parse(body || '[]') as Call[];
      for (const [name, { user }] of commands) {
        calls += 1;
        if (typeof user === 'string' && /[*?]/.test(user) && findings.length < 5) {
          findings.push(
            new Finding('doveadm asked for everybody', `${name} for ${JSON.stringify(user)}`),
          );
        }
      }
      const answers = commands.map(([name, parameters, tag]) => {
        return ['doveadmResponse', name === 'mailboxStatus' ? rowsOf(parameters) : [], tag];
      });
      response.end(JSON.stringify(answers));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/doveadm/v1`,
    findings,
    get calls() {
      return calls;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** There is every mailbox that is asked about. */
const rowsOf = ({ mailboxMask }: Call[1]): { mailbox: string; uidvalidity: string }[] =>
  [mailboxMask].flat().map((mask) => ({
    mailbox: String(mask).replace(/%$/, ''),
    uidvalidity: '1',
  }));
