--[[
coi-report.lua: tells coi-sidecar of one transaction, in one POST /v1/events. Brought in by coi.lua when
there is something to tell. What clients do, rather than what is delivered, is in coi-changes.lua.

Every word of this is compiled for each delivery that matters: brevity is speed here.
]]

local setting, bring_in = ...

local MAX_WAIT_SECONDS = 2
local HOLD_SECONDS = 10
local MAX_HEADER_OCTETS = 4000 -- Node takes 16 KiB of headers in all
local MAX_FIELD_OCTETS = 65536 -- of which the sidecar reads less
local MAX_BODY_OCTETS = 1048576 -- or one event more; the sidecar takes 4 MiB

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
    -- Folding: the white space behind it stays (RFC 5322, 2.2.3).
    local text = (event[name] or ''):sub(1, MAX_FIELD_OCTETS):gsub('[\r\n]', '')
    if text ~= '' then more = more .. ',"' .. name .. '":' .. quote(text) end
  end
  if event.date and event.date ~= -1 then -- -1: no date could be read
    more = more .. (',"date":%.0f,"tz":%.0f'):format(event.date, event.tz or 0)
  end
  write(ctx, event, more)
end

-- Hand-over ------------------------------------------------------------------------------------

-- 2.4 says in words what 2.3 says in numbers, and does not take the other's; dovecot.microseconds came
-- with it.
local function http_options()
  if dovecot.microseconds then
    return {
      connect_timeout = '250ms',
      request_timeout = MAX_WAIT_SECONDS .. 's',
      request_absolute_timeout = MAX_WAIT_SECONDS .. 's',
      max_connect_attempts = '1',
      request_max_attempts = '1',
      auto_redirect = 'no',
    }
  end
  return {
    connect_timeout_msecs = 250,
    request_timeout_msecs = MAX_WAIT_SECONDS * 1000,
    request_absolute_timeout_msecs = MAX_WAIT_SECONDS * 1000,
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

local function tell(user, events)
  local function get(name)
    local value = setting(user, name)
    return value and (value:gsub('%s+$', '')) -- "name = <file" keeps the file's newline
  end
  local url = get('coi_sidecar_url') or error('coi_sidecar_url is not set', 0)
  if url == '' then return end

  local dir = get('coi_sidecar_events_dir') or ''
  local report = {
    user = user,
    dir = dir,
    path = ('%s/%.0f/'):format(dir, user.uid),
    body = ('{"user":%s,"uid":%.0f,"service":%s,"session":%s,"events":[%s]}'):format(
      quote(user.username), user.uid, quote(user.service or ''), quote(user.session_id or ''), events),
  }
  function report.try()
    local start = os.time()
    local _, problem = pcall(post, url, get('coi_sidecar_token') or '', report.body)
    report.problem = problem
    local now = os.time()
    report.hold_until = now - start >= MAX_WAIT_SECONDS and now + HOLD_SECONDS
    return not problem
  end
  -- A sidecar that hangs must not cost every recipient of a message the whole time-out: after one,
  -- everything goes straight to the log for a while. A file says until when.
  local hold = io.open(report.path .. 'hold')
  if hold then
    local left = (hold:read('*n') or 0) - os.time()
    hold:close()
    if left > 0 and left <= HOLD_SECONDS then report.held, report.problem = true, 'too slow a moment ago' end
  end
  if not report.held and report.try() then return end
  keep = keep or bring_in('coi-event-log.lua')
  keep(report)
end

local function hand_over(ctx)
  local first, octets = 1, 0
  for last, event in ipairs(ctx.events) do
    octets = octets + #event
    if octets > MAX_BODY_OCTETS or last == #ctx.events then
      local ran, problem = pcall(tell, ctx.user, table.concat(ctx.events, ',', first, last))
      if not ran then dovecot.i_error('coi: ' .. tostring(problem)) end
      first, octets = last + 1, 0
    end
  end
end

return { add = add, hand_over = hand_over }
