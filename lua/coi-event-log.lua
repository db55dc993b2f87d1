--[[
coi-event-log.lua: keeps what coi-sidecar did not take. Brought in by coi-report.lua.

Nothing is made here. Each system user has a directory that only it and coi-sidecar may pass, and that only
coi-sidecar may put files into: nobody else can leave a FIFO there, of which the opening would never end.
]]

local HOLD_SECONDS = 10
local MAX_OCTETS = 1073741824
local LINE_OCTETS = 1048576 -- and one event more, which is less; the sidecar takes lines of 4 MiB

-- Throws why it failed.
local function append(path, line)
  -- "a" is what keeps writers apart. It would make a log that is not there, where the directory lets it.
  local log = assert(io.open(path, 'r+b'))
  local octets, problem = log:seek('end')
  log:close()
  assert(octets, path .. ': ' .. tostring(problem))
  assert(octets < MAX_OCTETS, path .. ': it has a gigabyte already')
  log = assert(io.open(path, 'ab'))
  log:setvbuf('no') -- so that it is one write(2), which no other process's comes between
  octets, problem = log:write(line)
  log:close()
  assert(octets, path .. ': ' .. tostring(problem))
end

-- A line for each part of a transaction. What an earlier one wrote in part, on a full disk, stays a line of
-- its own.
local function keep(report)
  local first, octets = 1, 0
  for last, event in ipairs(report.events) do
    octets = octets + #event
    if octets > LINE_OCTETS or last == #report.events then
      append(report.own .. '/log', ('\n%s%s],"at":%.0f}\n')
        :format(report.head, table.concat(report.events, ',', first, last), os.time()))
      first, octets = last + 1, 0
    end
  end
end

-- A sidecar that hangs must not cost every recipient of a message the whole time-out: after one,
-- everything goes straight to the log for a while. A file says until when.
local function hold(path)
  local file = io.open(path, 'r+b')
  if not file then return end
  file:write(('%010.0f'):format(os.time() + HOLD_SECONDS))
  file:close()
end

-- Takes a report that was tried in vain, or not tried because the sidecar is to be left alone until then.
return function(report, till)
  local left = till - os.time()
  local untried = left > 0 and left <= HOLD_SECONDS
  if untried then
    report.problem = 'too slow a moment ago'
  elseif left > 0 and report.try() then -- the clock was set back
    return
  end
  -- Dovecot's number for a time-out (HTTP_CLIENT_REQUEST_ERROR_TIMED_OUT, lib-http/http-client.h).
  if tostring(report.problem):find('^9008') then hold(report.own .. '/hold') end
  local function reason()
    return 'coi-sidecar did not take events of ' .. report.user.username
      .. ' (' .. tostring(report.problem) .. ')'
  end
  if report.dir == '' then
    error(reason() .. ' and coi_sidecar_events_dir is not set: they are lost', 0)
  end
  local kept, failure = pcall(keep, report)
  if not kept then
    if untried and report.try() then return end -- rather wait than lose it
    error(('%s and the event log does not take them (%s): they are lost. "coi-sidecar doctor" says what to do')
      :format(reason(), failure), 0)
  end
  dovecot.i_warning('coi: ' .. reason() .. ': they wait in the event log')
end
