import { InvalidInputError } from '../errors.ts';

/** How much there is of something: octets are those of keys and values together. */
export interface Usage {
  entries: number;
  octets: number;
}

/** What annotations may take: those of one user, and the shared ones of one mailbox. */
export interface AnnotationLimits {
  own: Usage;
  shared: Usage;
}

/** For stores of which nobody asks otherwise: as good as none. */
export const NO_LIMITS: AnnotationLimits = {
  own: { entries: Number.MAX_SAFE_INTEGER, octets: Number.MAX_SAFE_INTEGER },
  shared: { entries: Number.MAX_SAFE_INTEGER, octets: Number.MAX_SAFE_INTEGER },
};

/** The scope of a user's own annotations, those of other plugins among them. */
export const OWN_SCOPE = 'priv';

/**
 * What an entry is counted with: `priv`, or `shared/<mailbox GUID>`. Undefined for what the service keeps
 * of its own accord, whose number and size its own rules bound.
 */
export function scopeOf(key: string): string | undefined {
  if (key.startsWith('priv/')) return OWN_SCOPE;
  if (!key.startsWith('shared/')) return undefined;
  const end = key.indexOf('/', 'shared/'.length);
  return end === -1 ? key : key.slice(0, end);
}

/** What the plugins of Dovecot may have with a mailbox beyond what is left to clients. */
export const PLUGIN_ROOM: Usage = { entries: 500, octets: 262_144 };

/**
 * No IMAP client reaches these (src/lib-imap-storage/imap-metadata.c): mail_crypt keeps the keys of a folder
 * there, and those of its owner under the server annotations.
 */
const OF_A_PLUGIN =
  /^shared\/[^/]*\/vendor\/vendor\.dovecot\/pvt\/(?!server\/(?!vendor\/vendor\.dovecot\/pvt\/))/;

/**
 * What a commit is held to. Whoever may read a mailbox may annotate it for all who share it (RFC 5464,
 * section 3.3), up to the limit; without a key of mail_crypt nothing could be stored there any more.
 */
export const limitsOf = (
  limits: AnnotationLimits,
  changes: readonly { key: string }[],
): AnnotationLimits => {
  if (!changes.every(({ key }) => OF_A_PLUGIN.test(key))) return limits;
  const { entries, octets } = limits.shared;
  const shared = {
    entries: entries + PLUGIN_ROOM.entries,
    octets: octets + PLUGIN_ROOM.octets,
  };
  return { ...limits, shared };
};

export const limitOf = (limits: AnnotationLimits, scope: string): Usage =>
  scope === OWN_SCOPE ? limits.own : limits.shared;

/** Whoever is above a limit, say since it was lowered, may change and remove, but not grow. */
export const exceeds = (grown: Usage, after: Usage, limit: Usage): boolean =>
  (grown.entries > 0 && after.entries > limit.entries) ||
  (grown.octets > 0 && after.octets > limit.octets);

/** What a commit would have led to. */
export interface Excess {
  scope: string;
  after: Usage;
}

/** A commit would have taken a user's annotations, or those of a mailbox, over the limit. */
export class AnnotationLimitError extends InvalidInputError {
  constructor(user: string, { scope, after }: Excess, limits: AnnotationLimits) {
    const limit = limitOf(limits, scope);
    const [whose, options] =
      scope === OWN_SCOPE
        ? [`annotations of ${user}`, 'metadata.entry_limit and metadata.octet_limit']
        : [
            `shared annotations of mailbox ${scope.slice('shared/'.length, 'shared/'.length + 64)}`,
            'metadata.shared_entry_limit and metadata.shared_octet_limit',
          ];
    super(
      `the ${whose} would be ${after.entries} entries with ${after.octets} octets; ` +
        `${limit.entries} and ${limit.octets} are allowed (${options})`,
    );
  }
}
