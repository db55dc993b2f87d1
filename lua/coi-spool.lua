--[[
coi-spool.lua: keeps what coi-sidecar did not take. Brought in by coi-report.lua, which shares its
reader of small files.

Returns a function of the spool directory and the text of a transaction, which itself returns nothing,
or why it failed.
]]

local read_start = ...

local handed_over = 0 -- transactions of this session, for the order of files

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
return function(dir, body)
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
