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

lmtp runs this file anew for every recipient, so it does nothing before it must: most of it is text to
Lua until there is something to report.
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

-- Dovecot calls what it finds under these names. The first call that matters compiles the rest of
-- this file, which puts its own functions in the place of these: compiling it takes longer than
-- everything else here, and for most deliveries nobody needs it.
local bring_in_the_rest

for _, event in ipairs({
  'message_new', 'message_read', 'flags_clear', 'message_append', 'message_expunge',
  'mailbox_create', 'mailbox_delete', 'mailbox_rename',
}) do
  local name = 'dovecot_lua_notify_event_' .. event
  _G[name] = function(ctx, data)
    if data.uid and not matters(ctx) then return end
    bring_in_the_rest()
    return _G[name](ctx, data)
  end
end

function dovecot_lua_notify_end_txn() end

local THE_REST = [==[
local setting, matters = ...

local MAX_WAIT_MSECS = 2000
local CONNECT_MSECS = 250
local HOLD_SECONDS = 10
local MAX_HEADER_OCTETS = 4000 -- Node takes 16 KiB of headers in all

local handed_over = 0 -- transactions of this session, for the order of spool files

-- JSON -----------------------------------------------------------------------------------------

local REPLACEMENT = '\239\191\189' -- U+FFFD
local SHORT = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }

local function escape(char)
  return SHORT[char] or string.format('\\u%04x', char:byte())
end

-- A lead byte and the continuation bytes behind it: kept if they are a character (RFC 3629),
-- otherwise one U+FFFD for each byte. Headers hold whatever the sender wrote.
local function mend(bytes)
  local first, second = bytes:byte(1, 2)
  local size = first >= 0xC2 and (first < 0xE0 and 2 or first < 0xF0 and 3 or first < 0xF5 and 4)
  if
    size
    and #bytes >= size
    and not (first == 0xE0 and second < 0xA0) -- overlong
    and not (first == 0xED and second > 0x9F) -- surrogate
    and not (first == 0xF0 and second < 0x90) -- overlong
    and not (first == 0xF4 and second > 0x8F) -- past U+10FFFF
  then
    return bytes:sub(1, size) .. REPLACEMENT:rep(#bytes - size)
  end
  return REPLACEMENT:rep(#bytes)
end

local function quote(text)
  if text:find('[%c"\\]') then text = text:gsub('[%c"\\]', escape) end
  if text:find('[\128-\255]') then text = text:gsub('[\128-\255][\128-\191]*', mend) end
  return '"' .. text .. '"'
end

-- Dovecot pushes numbers as floats: tostring(4294967295.0) is 4.294967295e+09 in Lua 5.1.
local function whole(number)
  return string.format('%.0f', number)
end

local function list(texts)
  local out = {}
  for i, text in ipairs(texts or {}) do out[i] = quote(text) end
  return '[' .. table.concat(out, ',') .. ']'
end

-- Events ---------------------------------------------------------------------------------------

-- ctx holds the encoded events of one transaction; uid keeps those of messages in order, since
-- Dovecot hands messages over in the order of a hash table.
local function add(ctx, event, fields)
  local members = { '"event":' .. quote(event.name), '"mailbox":' .. quote(event.mailbox) }
  if event.uid then
    members[3] = '"uid":' .. whole(event.uid)
    members[4] = '"uidvalidity":' .. whole(event.uid_validity)
  end
  for _, field in ipairs(fields) do members[#members + 1] = field end
  local index = #ctx.events + 1
  ctx.events[index] =
    { uid = event.uid or 0, index = index, json = '{' .. table.concat(members, ',') .. '}' }
end

function dovecot_lua_notify_event_message_new(ctx, event)
  if not matters(ctx) then return end
  local fields = { '"flags":' .. list(event.flags), '"keywords":' .. list(event.keywords) }
  for _, name in ipairs({ 'message_id', 'from', 'subject' }) do
    local text = event[name]
    if text and text ~= '' then
      text = text:gsub('[\r\n]', '') -- folding: the white space behind it stays (RFC 5322, 2.2.3)
      fields[#fields + 1] = '"' .. name .. '":' .. quote(text)
    end
  end
  if event.date and event.date ~= -1 then -- -1: no date could be read
    fields[#fields + 1] = '"date":' .. whole(event.date)
    fields[#fields + 1] = '"tz":' .. whole(event.tz or 0)
  end
  add(ctx, event, fields)
end

-- Chat waits in INBOX for \Seen (message-filter "seen"); no other mailbox matters. The event does
-- not say which keywords the message has.
function dovecot_lua_notify_event_message_read(ctx, event)
  if event.mailbox == 'INBOX' and matters(ctx) then add(ctx, event, {}) end
end

-- A STORE that replaces flags takes $Chat away together with setting \Seen.
function dovecot_lua_notify_event_flags_clear(ctx, event)
  if event.mailbox ~= 'INBOX' or not matters(ctx) then return end
  for _, keyword in ipairs(event.keywords or {}) do
    if keyword:lower() == '$chat' then
      add(ctx, event, { '"keywords":' .. list(event.keywords) })
      return
    end
  end
end

-- Contacts says who is blocked; what its mailbox is called in full is the sidecar's to know. One word
-- a transaction is enough.
local function contacts_changed(ctx, event)
  if ctx.contacts or event.mailbox:sub(-8) ~= 'Contacts' then return end
  ctx.contacts = true
  add(ctx, { name = event.name, mailbox = event.mailbox }, {})
end
dovecot_lua_notify_event_message_append = contacts_changed
dovecot_lua_notify_event_message_expunge = contacts_changed

-- INBOX comes of its own at a user's first mail.
function dovecot_lua_notify_event_mailbox_create(ctx, event)
  if event.mailbox ~= 'INBOX' then add(ctx, event, {}) end
end

function dovecot_lua_notify_event_mailbox_delete(ctx, event)
  add(ctx, event, {})
end

function dovecot_lua_notify_event_mailbox_rename(ctx, event)
  add(ctx, event, { '"mailbox_old":' .. quote(event.mailbox_old) })
end

-- Hand-over ------------------------------------------------------------------------------------

-- The options in the words of 2.4 or of 2.3.
local function http_options(new)
  if new then
    return {
      connect_timeout = CONNECT_MSECS .. 'ms',
      request_timeout = MAX_WAIT_MSECS .. 'ms',
      request_absolute_timeout = MAX_WAIT_MSECS .. 'ms',
      request_max_attempts = '1',
      max_connect_attempts = '1',
      auto_redirect = 'no',
      auto_retry = 'no',
    }
  end
  return {
    connect_timeout_msecs = CONNECT_MSECS,
    request_timeout_msecs = MAX_WAIT_MSECS,
    request_absolute_timeout_msecs = MAX_WAIT_MSECS,
    max_attempts = 1,
    max_connect_attempts = 1,
    no_auto_redirect = true,
    no_auto_retry = true,
  }
end

-- 2.3 ignores names that it does not know, 2.4 raises an error: each is asked in its own words
-- first. dovecot.microseconds came with 2.4.
local function http_client()
  local new = dovecot.microseconds ~= nil
  local known, client = pcall(dovecot.http.client, http_options(new))
  if not known then known, client = pcall(dovecot.http.client, http_options(not new)) end
  if not known then known, client = pcall(dovecot.http.client, {}) end
  if not known then error('dovecot.http.client refuses all known options', 0) end
  return client
end

-- Returns nothing, or why it failed. A client for each request, because there may be seconds between
-- two and nobody watches it in between; lmtp keeps the connection all the same. The client needs a
-- name: a request does not keep its client, and Dovecot dies (SIGSEGV) when one is collected while its
-- request is under way.
local function post(url, token, body)
  local client = http_client()
  local request = client:request({ url = url:gsub('/+$', '') .. '/v1/events', method = 'POST' })
  request:add_header('Authorization', 'Bearer ' .. token)
  if #body <= MAX_HEADER_OCTETS then
    -- Before it sends a body, Dovecot asks whether it may (100-continue) and waits for the answer.
    request:add_header('Coi-Events', body)
  else
    request:add_header('Content-Type', 'application/json')
    request:set_payload(body)
  end
  local response = request:submit()
  local status = response:status()
  if status < 200 or status > 299 then return whole(status) .. ' ' .. response:reason() end
end

local function read_start(path, size)
  local file = io.open(path, 'rb')
  if not file then return nil end
  file:setvbuf('no')
  local bytes = file:read(size)
  file:close()
  return bytes
end

-- Twenty digits that grow: seconds, and what grows within one. 2.3 gives a script no clock finer than
-- seconds, so the kernel's uptime (1/100 s) takes the other's place.
local function timestamp()
  if dovecot.microseconds then
    local now = dovecot.microseconds()
    return string.format('%010.0f%010.0f', math.floor(now / 1000000), now % 1000000)
  end
  local seconds = os.time()
  local whole_part, fraction = (read_start('/proc/uptime', 32) or ''):match('^(%d+)%.(%d%d)')
  return string.format('%010.0f%010.0f', seconds, tonumber((whole_part or '0') .. (fraction or '00')))
end

-- Sixteen characters that no other process writes at the same time.
local function unique()
  local random = read_start('/dev/urandom', 8)
  if not random then -- in a chroot
    random = tostring({}) .. os.clock() .. handed_over
  end
  return (random:gsub('.', function(char) return string.format('%02x', char:byte()) end))
end

-- The name sorts by time, then by the order within this session. Written under a name that the
-- sidecar overlooks, then renamed: it never sees half a file.
local function spool(dir, body)
  local id = unique()
  local temporary = dir .. '/.tmp-' .. id
  local name = string.format('%s-%04d-%s.json', timestamp(), handed_over, id)
  local file, problem = io.open(temporary, 'wb')
  if not file then return problem end
  local written, write_problem = file:write(body)
  local closed, close_problem = file:close() -- a full disk often shows only here
  if not written or not closed then
    os.remove(temporary)
    return write_problem or close_problem or 'write failed'
  end
  local renamed, rename_problem = os.rename(temporary, dir .. '/' .. name)
  if not renamed then
    os.remove(temporary)
    return rename_problem
  end
end

-- A sidecar that hangs must not cost every recipient of a message MAX_WAIT_MSECS: after a time-out,
-- everything goes straight to the spool for a while. The file is one per system user, since others
-- cannot read it.
local function hold_file(dir, user)
  return dir .. '/.hold-' .. whole(user.uid)
end

local function is_held(dir, user)
  local left = (tonumber(read_start(hold_file(dir, user), 20)) or 0) - os.time()
  return left > 0 and left <= HOLD_SECONDS
end

local function hold(dir, user)
  local file = io.open(hold_file(dir, user), 'wb')
  if not file then return end
  file:write(whole(os.time() + HOLD_SECONDS))
  file:close()
end

local function hand_over(ctx)
  local user = ctx.user
  local url = setting(user, 'coi_sidecar_url')
  if url == '' then return end
  if url == nil then error('coi_sidecar_url is not set', 0) end

  table.sort(ctx.events, function(a, b)
    if a.uid ~= b.uid then return a.uid < b.uid end
    return a.index < b.index
  end)
  local events = {}
  for i, event in ipairs(ctx.events) do events[i] = event.json end
  local body = '{"user":' .. quote(user.username) .. ',"service":' .. quote(user.service or '')
    .. ',"session":' .. quote(user.session_id or '') .. ',"events":[' .. table.concat(events, ',')
    .. ']}'
  handed_over = handed_over + 1

  local dir = setting(user, 'coi_sidecar_spool_dir') or ''
  local refusal = 'too slow a moment ago'
  if dir == '' or not is_held(dir, user) then
    local start = os.time()
    local ran, problem = pcall(post, url, setting(user, 'coi_sidecar_token') or '', body)
    if ran and not problem then return end
    refusal = tostring(problem)
    if dir ~= '' and os.time() - start >= MAX_WAIT_MSECS / 1000 then hold(dir, user) end
  end

  local reason = 'coi-sidecar did not take events of ' .. user.username .. ' (' .. refusal .. ')'
  if dir == '' then
    error(reason .. ' and coi_sidecar_spool_dir is not set: they are lost', 0)
  end
  local problem = spool(dir, body)
  if problem then
    error(reason .. ' and spooling failed (' .. problem .. '): they are lost', 0)
  end
  dovecot.i_warning('coi: ' .. reason .. ': spooled')
end

function dovecot_lua_notify_end_txn(ctx, success)
  if not success or #ctx.events == 0 then return end
  local ran, problem = pcall(hand_over, ctx)
  if not ran then dovecot.i_error('coi: ' .. tostring(problem)) end
end
]==]

function bring_in_the_rest()
  local rest, problem = (loadstring or load)(THE_REST, '=coi.lua, the rest')
  if not rest then error(problem, 0) end
  rest(setting, matters)
end
