--[[
coi-report.lua: tells coi-sidecar of one transaction, in one POST /v1/events. Brought in by coi.lua when
there is something to tell. What clients do, rather than what is delivered, is in coi-changes.lua.

Every word of this is compiled for each delivery that matters: brevity is speed here.
]]

local setting, bring_in = ...

local MAX_WAIT_SECONDS = 2
local MAX_HEADER_OCTETS = 4000 -- Node takes 16 KiB of headers in all

-- JSON -----------------------------------------------------------------------------------------

local function escape(char)
  return ('\\u%04x'):format(char:byte())
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
local function write(ctx, event, more)
  local place = event.uid
    and (',"uid":%.0f,"uidvalidity":%.0f'):format(event.uid, event.uid_validity) or ''
  ctx.events[#ctx.events + 1] = '{"event":' .. quote(event.name)
    .. ',"mailbox":' .. quote(event.mailbox) .. place .. (more or '') .. '}'
end

local changes

local function add(ctx, event)
  if event.name ~= 'MessageNew' then
    changes = changes or bring_in('coi-changes.lua', write, list, quote)
    return changes[event.name](ctx, event)
  end
  local more = ',"keywords":' .. list(event.keywords)
  if table.concat(event.flags):find('Seen') then more = more .. ',"seen":true' end
  for _, name in ipairs({ 'message_id', 'from', 'subject' }) do
    -- The sidecar reads less. Folding: the white space behind it stays (RFC 5322, 2.2.3).
    local text = (event[name] or ''):sub(1, 65536):gsub('[\r\n]', '')
    if text ~= '' then more = more .. ',"' .. name .. '":' .. quote(text) end
  end
  if event.date and event.date ~= -1 then -- -1: no date could be read
    more = more .. (',"date":%.0f,"tz":%.0f'):format(event.date, event.tz or 0)
  end
  write(ctx, event, more)
end

-- Hand-over ------------------------------------------------------------------------------------

-- 2.4 says in words what 2.3 says in numbers, and does not take the other's; dovecot.microseconds came
-- with it. The absolute time-out is for an answer that never ends. It counts from when Dovecot last looked
-- at the clock: on a busy machine, seconds before the request.
local function http_options()
  if dovecot.microseconds then
    return {
      connect_timeout = '250ms',
      request_timeout = MAX_WAIT_SECONDS .. 's',
      request_absolute_timeout = 2 * MAX_WAIT_SECONDS .. 's',
      max_connect_attempts = '1',
      request_max_attempts = '1',
      auto_redirect = 'no',
    }
  end
  return {
    connect_timeout_msecs = 250,
    request_timeout_msecs = MAX_WAIT_SECONDS * 1000,
    request_absolute_timeout_msecs = 2 * MAX_WAIT_SECONDS * 1000,
    max_connect_attempts = 1,
    max_attempts = 1,
    no_auto_redirect = true,
  }
end

-- Returns nothing, or why it failed. A client for each request, because there may be seconds between
-- two and nobody watches it in between; lmtp keeps the connection all the same. The client needs a
-- name: a request does not keep its client, and Dovecot dies (SIGSEGV) when one is collected while its
-- request is under way.
local function post(url, token, body)
  local client = dovecot.http.client(http_options())
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
  if status < 200 or status > 299 then return ('%.0f %s'):format(status, response:reason()) end
end

local keep

local function hand_over(ctx)
  local user = ctx.user
  local function get(name)
    local value = setting(user, name)
    return value and (value:gsub('%s+$', '')) -- "name = <file" keeps the file's newline
  end
  local url = get('coi_sidecar_url') or error('coi_sidecar_url is not set', 0)
  if url == '' then return end

  local dir = get('coi_sidecar_events_dir') or ''
  local uid = ('%.0f'):format(user.uid)
  local report = {
    user = user,
    events = ctx.events,
    dir = dir,
    own = dir .. '/' .. uid, -- this system user's directory
    head = '{"user":' .. quote(user.username) .. ',"uid":' .. uid .. ',"service":'
      .. quote(user.service or '') .. ',"session":' .. quote(user.session_id or '') .. ',"events":[',
  }
  function report.try()
    local body = report.head .. table.concat(ctx.events, ',') .. ']}'
    local _, problem = pcall(post, url, get('coi_sidecar_token') or '', body)
    report.problem = problem
    return not problem
  end
  -- Until when a sidecar that hangs is left alone (coi-event-log.lua).
  local hold = io.open(report.own .. '/hold')
  local till = hold and tonumber(hold:read(10) or '') or 0 -- it may hold more than anyone can wait for
  if hold then hold:close() end
  if till <= os.time() and report.try() then return end
  keep = keep or bring_in('coi-event-log.lua')
  keep(report, till)
end

return {
  add = add,
  hand_over = function(ctx)
    local ran, problem = pcall(hand_over, ctx)
    if not ran then dovecot.i_error('coi: ' .. tostring(problem)) end
  end,
}
