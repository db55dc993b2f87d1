--[[
coi-event-log.lua: keeps what coi-sidecar did not take. Brought in by coi-report.lua.

Nothing is made here. Each system user has a directory that only it and coi-sidecar may pass, and that only
coi-sidecar may put files into: nobody else can leave a FIFO there, of which the opening would never end.
]]

local MAX_OCTETS = 1073741824

-- Throws why it failed.
local function append(path, body)
  -- "a" is what keeps writers apart. It would make a log that is not there, where the directory lets it.
  local log = assert(io.open(path, 'r+b'))
  local octets, problem = log:seek('end')
  log:close()
  assert(octets, path .. ': ' .. tostring(problem))
  assert(octets < MAX_OCTETS, path .. ': it has a gigabyte already')
  log = assert(io.open(path, 'ab'))
  log:setvbuf('no') -- so that it is one write(2), which no other process's comes between
  -- What an earlier one wrote in part, on a full disk, stays a line of its own.
  octets, problem = log:write(('\n%s,"at":%.0f}\n'):format(body:sub(1, -2), os.time()))
  log:close()
  assert(octets, path .. ': ' .. tostring(problem))
end

local function hold(path, seconds)
  local file = io.open(path, 'r+b')
  if not file then return end
  file:write(('%010.0f'):format(seconds))
  file:close()
end

-- Takes a report that was tried in vain, or not tried because the sidecar hung a moment ago.
return function(report)
  if report.hold_until then hold(report.path .. 'hold', report.hold_until) end
  local function reason()
    return 'coi-sidecar did not take events of ' .. report.user.username
      .. ' (' .. tostring(report.problem) .. ')'
  end
  if report.dir == '' then
    error(reason() .. ' and coi_sidecar_events_dir is not set: they are lost', 0)
  end
  local kept, failure = pcall(append, report.path .. 'log', report.body)
  if not kept then
    if report.held and report.try() then return end -- rather wait than lose it
    error(('%s and the event log does not take them (%s): they are lost. "coi-sidecar doctor" says what to do')
      :format(reason(), failure), 0)
  end
  dovecot.i_warning('coi: ' .. reason() .. ': they wait in the event log')
end
