/**
 * A page out of names that come in no order: the `limit` smallest that are greater than `after`, sorted
 * by UTF-16 code units. Takes memory for two pages, whatever the number of names.
 */
export async function smallestAfter(
  names: AsyncIterable<string>,
  after: string,
  limit: number,
): Promise<string[]> {
  let page: string[] = [];
  const trim = (): void => {
    page = page.sort(compare).slice(0, limit);
  };
  for await (const name of names) {
    if (name <= after) continue;
    page.push(name);
    if (page.length >= 2 * limit) trim();
  }
  trim();
  return page;
}

/** Not `localeCompare`: the cursor is compared with `<=`. */
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
