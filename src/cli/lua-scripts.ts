/** Runs in the place of the first of {@link LUA_SCRIPTS}, where an administrator wants it. */
export const SHARED_SCRIPT = 'coi-shared.lua';

/**
 * What stands in `lua/`: Dovecot runs the first, which brings in the others from beside it; or the last, which
 * brings in the first.
 */
export const LUA_SCRIPTS = [
  'coi.lua',
  'coi-report.lua',
  'coi-changes.lua',
  'coi-event-log.lua',
  SHARED_SCRIPT,
] as const;
