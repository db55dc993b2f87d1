/** What stands in `lua/`: Dovecot runs the first, which brings in the others from beside it. */
export const LUA_SCRIPTS = [
  'coi.lua',
  'coi-report.lua',
  'coi-changes.lua',
  'coi-event-log.lua',
] as const;
