--[[
coi-report.lua: tells coi-sidecar of one transaction, in one POST /v1/events. Brought in by coi.lua when
there is something to tell; its functions take the place of those there. What clients do, rather than
what is delivered, is in coi-changes.lua.

Every word of this is compiled for each delivery that matters: brevity is speed here.
]]

local setting, matters, bring_in = ...

local MAX_WAIT_MSECS = 2000
local CONNECT_MSECS = 250
local MAX_HEADER_OCTETS = 4000 -- Node takes 16 KiB of headers in all

-- JSON -----------------------------------------------------------------------------------------

local function escape(char)
  return string.format('\\u%04x', char:byte())
end

-- Headers hold whatever the sender wrote: for what is not UTF-8, the sidecar reads U+FFFD.
local function quote(text)
  return '"' .. text:gsub('[%c"\\]', escape) .. '"'
end

local function list(texts)
  local out = {}
  for i, text in ipairs(texts or {}) do out[i] = quote(text) end
  return '[' .. table.concat(out, ',') .. ']'
end

-- Events ---------------------------------------------------------------------------------------

-- ctx.events holds what is encoded. Dovecot pushes numbers as floats: tostring(4294967295.0) is
-- 4.294967295e+09 in Lua 5.1.
local function add(ctx, event, more)
  local place = event.uid
    and string.format(',"uid":%.0f,"uidvalidity":%.0f', event.uid, event.uid_validity)
  ctx.events[#ctx.events + 1] = '{"event":' .. quote(event.name)
    .. ',"mailbox":' .. quote(event.mailbox) .. (place or '') .. (more or '') .. '}'
end

function dovecot_lua_notify_event_message_new(ctx, event)
  if not matters(ctx) then return end
  local more = ',"keywords":' .. list(event.keywords)
  for _, name in ipairs({ 'message_id', 'from', 'subject' }) do
    -- Folding: the white space behind it stays (RFC 5322, 2.2.3).
    local text = (event[name] or ''):gsub('[\r\n]', '')
    if text ~= '' then more = more .. ',"' .. name .. '":' .. quote(text) end
  end
  if event.date and event.date ~= -1 then -- -1: no date could be read
    more = more .. string.format(',"date":%.0f,"tz":%.0f', event.date, event.tz or 0)
  end
  add(ctx, event, more)
end

-- Hand-over ------------------------------------------------------------------------------------

-- 2.4 says in words what 2.3 says in numbers, and has other names for it.
local function http_options(new)
  local unit = new and '' or '_msecs'
  local function msecs(count) return new and count .. 'ms' or count end
  return {
    ['connect_timeout' .. unit] = msecs(CONNECT_MSECS),
    ['request_timeout' .. unit] = msecs(MAX_WAIT_MSECS),
    ['request_absolute_timeout' .. unit] = msecs(MAX_WAIT_MSECS),
    max_connect_attempts = new and '1' or 1,
    [new and 'request_max_attempts' or 'max_attempts'] = new and '1' or 1,
    [new and 'auto_redirect' or 'no_auto_redirect'] = new and 'no' or true,
  }
end

-- 2.3 ignores names that it does not know, 2.4 raises an error: each is asked in its own words
-- first. dovecot.microseconds came with 2.4.
local function http_client()
  local new = dovecot.microseconds ~= nil
  local known, client = pcall(dovecot.http.client, http_options(new))
  return known and client or dovecot.http.client(http_options(not new))
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
  if status < 200 or status > 299 then
    return string.format('%.0f %s', status, response:reason())
  end
end

local keep

local function hand_over(ctx)
  local user = ctx.user
  local url = setting(user, 'coi_sidecar_url')
  if url == '' then return end
  if url == nil then error('coi_sidecar_url is not set', 0) end

  local dir = setting(user, 'coi_sidecar_spool_dir') or ''
  local report = {
    username = user.username,
    body = '{"user":' .. quote(user.username) .. ',"service":' .. quote(user.service or '')
      .. ',"session":' .. quote(user.session_id or '') .. ',"events":['
      .. table.concat(ctx.events, ',') .. ']}',
    dir = dir,
    -- There while a sidecar that hangs is left alone (coi-spool.lua). One per system user: others
    -- cannot read it.
    hold_path = string.format('%s/.hold-%.0f', dir, user.uid),
  }
  function report.try()
    local start = os.time()
    local ran, problem = pcall(post, url, setting(user, 'coi_sidecar_token') or '', report.body)
    if ran and not problem then return true end
    report.problem = tostring(problem)
    report.waited = os.time() - start >= MAX_WAIT_MSECS / 1000
  end
  report.hold = dir ~= '' and io.open(report.hold_path, 'rb')
  if not report.hold and report.try() then return end
  keep = keep or bring_in('coi-spool.lua')
  keep(report)
end

function dovecot_lua_notify_end_txn(ctx, success)
  if not success or #ctx.events == 0 then return end
  local ran, problem = pcall(hand_over, ctx)
  if not ran then dovecot.i_error('coi: ' .. tostring(problem)) end
end

return { add = add, list = list, quote = quote }
