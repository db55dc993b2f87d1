--[[
coi-report.lua: tells coi-sidecar of one transaction, in one POST /v1/events. Brought in by coi.lua when
there is something to tell; its functions take the place of those there.
]]

local setting, matters, bring_in = ...

local MAX_WAIT_MSECS = 2000
local CONNECT_MSECS = 250
local HOLD_SECONDS = 10
local MAX_HEADER_OCTETS = 4000 -- Node takes 16 KiB of headers in all

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

local spool

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

  local dir = setting(user, 'coi_sidecar_spool_dir') or ''
  local refusal = 'too slow a moment ago'
  if dir == '' or not is_held(dir, user) then
    local start = os.time()
    local ran, problem = pcall(post, url, setting(user, 'coi_sidecar_token') or '', body)
    if ran and not problem then return end
    refusal = tostring(problem)
    if dir ~= '' and os.time() - start >= MAX_WAIT_MSECS / 1000 then
      local file = io.open(hold_file(dir, user), 'wb')
      if file then
        file:write(whole(os.time() + HOLD_SECONDS))
        file:close()
      end
    end
  end

  local reason = 'coi-sidecar did not take events of ' .. user.username .. ' (' .. refusal .. ')'
  if dir == '' then
    error(reason .. ' and coi_sidecar_spool_dir is not set: they are lost', 0)
  end
  spool = spool or bring_in('coi-spool.lua', read_start)
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
