--[[
coi-spool.lua: keeps what coi-sidecar did not take. Brought in by coi-report.lua.
]]

local HOLD_SECONDS = 10

local function read_start(path, size)
  local file = io.open(path, 'rb')
  if not file then return '' end
  file:setvbuf('no')
  local bytes = file:read(size)
  file:close()
  return bytes or ''
end

local handed_over = 0 -- transactions of this session, for the order of files

-- Twenty digits that grow: seconds, and what grows within one. 2.3 gives a script no clock finer than
-- seconds, so the kernel's uptime (1/100 s) takes the other's place.
local function timestamp()
  if dovecot.microseconds then
    local now = dovecot.microseconds()
    return string.format('%010.0f%010.0f', math.floor(now / 1000000), now % 1000000)
  end
  local seconds = os.time()
  local whole_part, fraction = read_start('/proc/uptime', 32):match('^(%d+)%.(%d%d)')
  return string.format('%010.0f%010.0f', seconds, tonumber((whole_part or '0') .. (fraction or '00')))
end

-- Sixteen characters that no other process writes at the same time.
local function unique()
  local random = read_start('/dev/urandom', 8)
  if random == '' then -- in a chroot
    random = tostring({}) .. os.clock() .. handed_over
  end
  return (random:gsub('.', function(char) return string.format('%02x', char:byte()) end))
end

-- The name sorts by time, then by the order within this session. Written under a name that the
-- sidecar overlooks, then renamed: it never sees half a file. Returns nothing, or why it failed.
local function spool(dir, body)
  handed_over = handed_over + 1
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

-- A sidecar that hangs must not cost every recipient of a message the whole time-out: after one,
-- everything goes straight to the spool for a while. A file says until when.
local function is_held(file)
  local left = (tonumber(file:read(20) or '') or 0) - os.time()
  file:close()
  return left > 0 and left <= HOLD_SECONDS
end

local function hold(path)
  local file = io.open(path, 'wb')
  if not file then return end
  file:write(string.format('%.0f', os.time() + HOLD_SECONDS))
  file:close()
end

-- Takes a report that was tried in vain, or not tried because of `held`, the open file of above.
return function(report, held)
  local untried = held and is_held(held)
  if untried then
    report.problem = 'too slow a moment ago'
  elseif held then
    os.remove(report.hold)
    if report.try() then return end
  end
  if report.waited and report.dir ~= '' then hold(report.hold) end

  local function reason()
    return 'coi-sidecar did not take events of ' .. report.user.username
      .. ' (' .. tostring(report.problem) .. ')'
  end
  if report.dir == '' then
    error(reason() .. ' and coi_sidecar_spool_dir is not set: they are lost', 0)
  end
  local failure = spool(report.dir, report.body)
  if failure then
    if untried and report.try() then return end -- rather wait than lose it
    error(reason() .. ' and spooling failed (' .. failure .. '): they are lost', 0)
  end
  dovecot.i_warning('coi: ' .. reason() .. ': spooled')
end
