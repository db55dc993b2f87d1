--[[
coi.lua: tells coi-sidecar what happened in a mailbox.

For Dovecot's push_notification_lua, 2.3.19 and newer, 2.4 included; nothing in here depends on the
version of Lua (5.1 to 5.4). One POST /v1/events per transaction. What could not be handed over is
left in the spool directory, one file per transaction, for the sidecar to take in later. Whatever
goes wrong here, mail is delivered and the client gets its answer: the worst is a line in the log.

Settings (2.3: plugin { … }; 2.4: lua_settings of the driver):
  coi_sidecar_url        http://127.0.0.1:9380; empty switches the script off (also per user)
  coi_sidecar_token      http.token of coi-sidecar.yaml
  coi_sidecar_spool_dir  spool.dir of coi-sidecar.yaml; empty: no spool

lmtp runs this file anew for every recipient, and compiling a script takes longer than running it. So
this one only finds out whether there is anything to report; coi-report.lua, coi-changes.lua and
coi-spool.lua, which stand beside it, are brought in when they are needed.
]]

local given = {} -- 2.4 hands the settings to script_init; 2.3 is asked for them

function script_init(settings)
  if type(settings) == 'table' then given = settings end
  return 0
end

local function setting(user, name)
  local value = given[name]
  if value == nil and user.plugin_getenv then value = user:plugin_getenv(name) end
  -- "name = <file" keeps the file's newline
  return value and (value:gsub('%s+$', ''))
end

-- Whose messages matter ------------------------------------------------------------------------

-- Most users have neither COI nor subscriptions, and what happens to their messages is of no use to
-- anyone. The sidecar keeps a bit for each hash of a user's name in the spool directory: set, and on
-- disk, before a user can want to hear of anything. It takes the file away while it cannot promise
-- that, and then everybody's messages matter (src/stores/user-filter.ts).
local function is_of_interest(user)
  local dir = setting(user, 'coi_sidecar_spool_dir') or ''
  local file = dir ~= '' and io.open(dir .. '/.users/filter', 'rb')
  if not file then return true end
  file:setvbuf('no')
  local hash = 0
  for i = 1, #user.username do hash = (hash * 31 + user.username:byte(i)) % 1048573 end
  local bit = hash % 8
  local octet = file:seek('set', (hash - bit) / 8) and file:read(1)
  file:close()
  return not octet or math.floor(octet:byte() / 2 ^ bit) % 2 == 1
end

local function matters(ctx)
  if ctx.matters == nil then ctx.matters = is_of_interest(ctx.user) end
  return ctx.matters
end

-- What Dovecot looks for -----------------------------------------------------------------------

function dovecot_lua_notify_begin_txn(user)
  return { user = user, events = {} }
end

local function bring_in(name, ...)
  local directory = debug.getinfo(1, 'S').source:match('^@(.*/)') or ''
  local chunk, problem = loadfile(directory .. name)
  if not chunk then error('coi: ' .. problem .. ' (it belongs beside coi.lua)', 0) end
  return chunk(...)
end

-- Dovecot calls what it finds under these names. The first call that matters brings in the functions
-- that take the place of these.
local report

local function on(event, changes)
  local name = 'dovecot_lua_notify_event_' .. event
  _G[name] = function(ctx, data)
    if data.uid and not matters(ctx) then return end
    report = report or bring_in('coi-report.lua', setting, matters, bring_in)
    if changes then bring_in('coi-changes.lua', matters, report) end
    return _G[name](ctx, data)
  end
end

on('message_new')
for event in ('message_read flags_clear message_append message_expunge mailbox_create mailbox_delete '
  .. 'mailbox_rename'):gmatch('%S+') do
  on(event, true)
end

function dovecot_lua_notify_end_txn() end
