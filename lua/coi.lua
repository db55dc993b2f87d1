--[[
coi.lua: tells coi-sidecar what happened in a mailbox.

For Dovecot's push_notification_lua, 2.3.19 and newer, 2.4 included; nothing in here depends on the
version of Lua (5.1 to 5.4). One POST /v1/events per transaction. What could not be handed over is
left in the event log, a line for each transaction, for the sidecar to take in later. Whatever
goes wrong here, mail is delivered and the client gets its answer: the worst is a line in the log.

Settings (2.3: plugin { … }; 2.4: lua_settings of the driver):
  coi_sidecar_url        http://127.0.0.1:9380; empty switches the script off (also per user)
  coi_sidecar_token      http.token of coi-sidecar.yaml
  coi_sidecar_events_dir events.dir of coi-sidecar.yaml; empty: no event log

lmtp compiles this file anew for every recipient, which takes longer than running it: brevity is speed
here. So it only finds out whether there is anything to report; coi-report.lua, coi-changes.lua and
coi-event-log.lua, which stand beside it, are brought in when they are needed.
]]

local settings = {} -- 2.4 hands them to script_init; 2.3 is asked for them

function script_init(given)
  settings = given or settings
  return 0
end

local function setting(user, name)
  return settings[name] or user.plugin_getenv and user:plugin_getenv(name)
end

-- Most users have neither COI nor subscriptions, and what happens to their messages is of no use to
-- anyone. The sidecar keeps an octet for each hash of a user's name in its directory: set, and on
-- disk, before a user can want to hear of anything. It takes the file away while it cannot promise
-- that, and then everybody's messages matter (src/stores/user-filter.ts).
local function matters(user)
  local file = io.open((setting(user, 'coi_sidecar_events_dir') or '') .. '/marks')
  if not file then return true end
  file:setvbuf('no')
  local hash = 0
  for i = 1, #user.username do hash = (hash * 31 + user.username:byte(i)) % 1048573 end
  file:seek('set', hash)
  local octet = file:read(1)
  file:close()
  return octet ~= '\0'
end

local function bring_in(name, ...)
  local directory = debug.getinfo(1, 'S').source:match('^@(.*/)') or ''
  local chunk, problem = loadfile(directory .. name)
  if not chunk then error('coi: ' .. problem .. ' (it belongs beside coi.lua)', 0) end
  return chunk(...)
end

local report

local function on_event(ctx, event)
  if event.uid then
    if ctx.matters == nil then ctx.matters = matters(ctx.user) end
    if not ctx.matters then return end
  end
  report = report or bring_in('coi-report.lua', setting, bring_in)
  report.add(ctx, event)
end

-- Dovecot calls what it finds under these names.
for name in ('message_new message_read flags_clear flags_set message_append message_expunge mailbox_create '
  .. 'mailbox_delete mailbox_rename'):gmatch('%S+') do
  _G['dovecot_lua_notify_event_' .. name] = on_event
end

function dovecot_lua_notify_begin_txn(user)
  return { user = user, events = {} }
end

function dovecot_lua_notify_end_txn(ctx, success)
  if success and ctx.events[1] then report.hand_over(ctx) end
end
