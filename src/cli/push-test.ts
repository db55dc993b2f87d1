import type { Static } from '@fastify/type-provider-typebox';
import type { TestView } from '../http/routes/admin/schemas.ts';
import { userPathOf } from './admin-client.ts';
import type { Command } from './command.ts';
import { shortTime } from './describe-user.ts';
import { formatTable } from './format-table.ts';
import { printJson } from './print-json.ts';
import { ADMIN_OPTIONS, withAdminClient } from './with-admin-client.ts';

interface Reply {
  user: string;
  results: Static<typeof TestView>[];
}

/** Sends test pushes; exit code 0 only if every push service took its own. */
export const pushTest: Command = {
  name: 'push-test',
  summary: "send a test push to a user's subscriptions and say what the push services answer",
  usage: 'USER [ID] [--json] [--config FILE]',
  options: ADMIN_OPTIONS,
  positionals: { least: 1, most: 2 },
  run: async (call) => {
    const [user = '', id] = call.positionals;
    return withAdminClient(call, async (client, json) => {
      const reply = await client.call<Reply>('POST', userPathOf(user, 'push-test'), {
        query: { id },
      });
      if (json) printJson(reply);
      else console.log(describe(reply));
      return reply.results.every(({ verdict }) => verdict === 'accepted') ? 0 : 1;
    });
  },
};

const describe = ({ results }: Reply): string =>
  formatTable(
    ['ID', 'STATE', 'SERVICE', 'RESULT', 'REASON', 'STATUS', 'PAUSED UNTIL'],
    results.map((one) => [
      one.id,
      one.state,
      one.origin,
      one.verdict,
      one.reason,
      String(one.status ?? '-'),
      one.pausedUntil === undefined ? '-' : shortTime(one.pausedUntil),
    ]),
  );
