import { pluginEntry } from './plugin-entry.ts';
import type { NamedEntry } from './sort-annotations.ts';

/** A subscription of a foreign dict, as far as the rules for new ones do not look at it. */
export interface KeptElsewhere {
  /** What those rules are to judge. */
  value: Buffer;
  /** RFC 3339; undefined when it is not said or not a date. */
  created: string | undefined;
  validated: boolean;
}

const NOTHING_KNOWN = { created: undefined, validated: false };

/**
 * Reads `created` and whether it was validated: clients are shown `validated`, while the C plugin keeps
 * the validation text until it has come back.
 */
export function readKeptSubscription({ key, value }: NamedEntry): KeptElsewhere {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(value.toString()) as Record<string, unknown>;
  } catch {
    return { value, ...NOTHING_KNOWN };
  }
  if (typeof fields !== 'object' || (fields as unknown) === null)
    return { value, ...NOTHING_KNOWN };
  const byPlugin = pluginEntry(key) !== undefined;
  return {
    // The plugin cannot do without client and device; an export writes them empty for that.
    value: byPlugin ? Buffer.from(JSON.stringify(fields, withoutEmptyNames)) : value,
    created: asDate(fields['created']),
    validated: byPlugin ? !Object.hasOwn(fields, 'validation') : fields['validated'] === true,
  };
}

const withoutEmptyNames = (name: string, value: unknown): unknown =>
  (name === 'client' || name === 'device') && value === '' ? undefined : value;

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

const asDate = (value: unknown): string | undefined =>
  typeof value === 'string' && RFC3339.test(value) && !Number.isNaN(Date.parse(value))
    ? value
    : undefined;
