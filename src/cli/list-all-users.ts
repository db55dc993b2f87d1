import type { Static } from '@fastify/type-provider-typebox';
import type { UserSummaryView } from '../http/routes/admin/schemas.ts';
import { pathOf, type AdminClient } from './admin-client.ts';

const PAGE = '1000';

/** Every user that the service knows, page after page, in the order of the names. */
export async function listAllUsers(client: AdminClient): Promise<Static<typeof UserSummaryView>[]> {
  const all: Static<typeof UserSummaryView>[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page: { users: Static<typeof UserSummaryView>[]; next?: string } = await client.call(
      'GET',
      pathOf('users'),
      { query: { limit: PAGE, after } },
    );
    all.push(...page.users);
    after = page.next;
  }
  return all;
}
