/**
 * What stands in `lua/`: Dovecot runs the first, which brings in the others from beside it; or the last, which
 * brings in the first.
 */
export const LUA_SCRIPTS = [
  'coi.lua',
  'coi-report.lua',
  'coi-changes.lua',
  'coi-event-log.lua',
  'coi-shared.lua',
] as const;
