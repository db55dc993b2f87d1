import { createHash } from 'node:crypto';
import type { RedisScript } from './redis-link.ts';

/**
 * How much there is of each scope (see `scopeOf`) stands in a hash of its own: `e<scope>` entries and
 * `o<scope>` octets, and under `all` the number of fields that the user's hash had then. Where that differs,
 * somebody who does not count has changed it, an older coi-sidecar say, and all is counted through. So it is
 * where what stands there is no count.
 */
const COUNTING = `
local function scope_of(key)
  if string.sub(key, 1, 5) == 'priv/' then return 'priv' end
  if string.sub(key, 1, 7) ~= 'shared/' then return nil end
  local slash = string.find(key, '/', 8, true)
  return slash and string.sub(key, 1, slash - 1) or key
end

local function size_of(key)
  if redis.call('HEXISTS', entries, key) == 0 then return false end
  return #key + redis.call('HSTRLEN', entries, key)
end

local function add(scope, sums, old, new)
  local sum = sums[scope] or { entries = 0, octets = 0 }
  sum.entries = sum.entries + (new and 1 or 0) - (old and 1 or 0)
  sum.octets = sum.octets + (new or 0) - (old or 0)
  sums[scope] = sum
end

-- What counts and is touched, with its size now, and how much the scopes will grow, at most.
local function foresee()
  local sizes, latest, deltas = {}, {}, {}
  for i = FIRST, #ARGV, 3 do
    local op, key, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local scope = scope_of(key)
    if scope and (op == 'set' or op == 'unset' or op == 'increment') then
      if sizes[key] == nil then
        sizes[key] = size_of(key)
        latest[key] = sizes[key]
      end
      local new = false
      if op == 'set' then new = #key + #value
      elseif op == 'increment' then new = math.max(latest[key] or 0, #key + 20) end
      add(scope, deltas, latest[key], new)
      latest[key] = new
    end
  end
  return sizes, deltas
end

local function number_of(field)
  local value = redis.call('HGET', usage, field)
  return value and string.match(value, '^%d+$') and #value < 16 and tonumber(value) or nil
end

local function read_usage(scope)
  return { entries = number_of('e' .. scope) or 0, octets = number_of('o' .. scope) or 0 }
end

local function is_counted(scope)
  local counted = redis.call('HMGET', usage, 'e' .. scope, 'o' .. scope)
  if not counted[1] and not counted[2] then return true end
  return number_of('e' .. scope) and number_of('o' .. scope)
end

local function write_usage(sums)
  for scope, sum in pairs(sums) do
    if redis.call('HINCRBY', usage, 'e' .. scope, sum.entries) == 0 then
      redis.call('HDEL', usage, 'e' .. scope, 'o' .. scope)
    else redis.call('HINCRBY', usage, 'o' .. scope, sum.octets) end
  end
end

local function are_counted(scopes, all)
  local kind = redis.call('TYPE', usage).ok
  if kind == 'none' then return all == 0 end
  if kind ~= 'hash' or number_of('all') ~= all then return false end
  for scope in pairs(scopes) do
    if not is_counted(scope) then return false end
  end
  return true
end

local function count_all(scopes)
  local all = redis.call('HLEN', entries)
  if are_counted(scopes, all) then return end
  redis.call('DEL', usage)
  local sums = {}
  for _, key in ipairs(redis.call('HKEYS', entries)) do
    local scope = scope_of(key)
    if scope then add(scope, sums, false, size_of(key)) end
  end
  write_usage(sums)
  redis.call('HSET', usage, 'all', all)
end

-- Exactly, after all changes.
local function count(sizes)
  local sums = {}
  for key, old in pairs(sizes) do add(scope_of(key), sums, old, size_of(key)) end
  write_usage(sums)
  local all = redis.call('HLEN', entries)
  if all == 0 then redis.call('DEL', usage)
  else redis.call('HSET', usage, 'all', all) end
end
`;

const source = `
local entries, users, usage, user = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local may_fail = ARGV[2] == '1'
local limits = {
  own = { entries = tonumber(ARGV[3]), octets = tonumber(ARGV[4]) },
  shared = { entries = tonumber(ARGV[5]), octets = tonumber(ARGV[6]) },
}
local FIRST = 7
local before = {}
redis.call('HLEN', entries)

local function remember(key)
  if may_fail and before[key] == nil then
    before[key] = redis.call('HGET', entries, key)
  end
end

local function give_up(reason)
  for key, value in pairs(before) do
    if value then redis.call('HSET', entries, key, value)
    else redis.call('HDEL', entries, key) end
  end
  if redis.call('EXISTS', entries) == 0 then redis.call('SREM', users, user) end
  return reason
end

for i = FIRST, #ARGV, 3 do
  local op, key, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if op == 'expect' and redis.call('HGET', entries, key) ~= value
    or op == 'expect none' and redis.call('HEXISTS', entries, key) == 1 then return 'overtaken' end
end

${COUNTING}
local sizes, deltas = foresee()
count_all(deltas)
for scope, delta in pairs(deltas) do
  local after = read_usage(scope)
  after.entries, after.octets = after.entries + delta.entries, after.octets + delta.octets
  local limit = scope == 'priv' and limits.own or limits.shared
  if delta.entries > 0 and after.entries > limit.entries
    or delta.octets > 0 and after.octets > limit.octets then
    return string.format('exceeded %d %d %s', after.entries, after.octets, scope)
  end
end

redis.call('SADD', users, user)
for i = FIRST, #ARGV, 3 do
  local op, key, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if op == 'set' then
    remember(key)
    redis.call('HSET', entries, key, value)
  elseif op == 'unset' then
    remember(key)
    redis.call('HDEL', entries, key)
  elseif op == 'increment' then
    if redis.call('HEXISTS', entries, key) == 0 then return give_up('missing') end
    remember(key)
    local reply = redis.pcall('HINCRBY', entries, key, value)
    if type(reply) == 'table' then
      if string.find(reply.err, 'not an integer', 1, true)
        or string.find(reply.err, 'overflow', 1, true) then return give_up('invalid') end
      give_up('')
      return reply
    end
  end
end

count(sizes)
if redis.call('EXISTS', entries) == 0 then redis.call('SREM', users, user) end
return 'committed'
`;

/**
 * One commit, as a Lua script: Redis runs it whole, with nothing else in between.
 *
 * KEYS: the user's hash, the set of users, the user's counters. ARGV: the user, `1` if anything is
 * incremented, the limits (own entries and octets, shared entries and octets), then for each change or
 * expectation its op, key and value. Replies `committed`, `missing`, `invalid`, `overtaken`, or
 * `exceeded <entries> <octets> <scope>`. Without a change, it brings the counters up to date.
 *
 * A script that gives up halfway does not take its writes back by itself, so those before an
 * increment are remembered. All other errors (out of memory, read-only replica, wrong type) come
 * from the first look at the user's hash or the first write, before anything was changed.
 */
export const COMMIT_SCRIPT: RedisScript = script(source);

/**
 * The next page of a scan through a hash: as many buckets of its table as a page has room for. A step of HSCAN
 * alone has a number of entries, however large they are; and its NOVALUES is of Redis 7.4.
 *
 * KEYS: the hash. ARGV: cursor, pattern, `keys` without values, entries and octets of a page. Replies the next
 * cursor, and fields and values by turns, or fields.
 */
export const PAGE_SCRIPT: RedisScript = script(`
local cursor, most_entries, most_octets = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local found, entries, octets, steps = {}, 0, 0, 0
repeat
  local reply = redis.call('HSCAN', KEYS[1], cursor, 'MATCH', ARGV[2], 'COUNT', '1')
  cursor = reply[1]
  for i = 1, #reply[2], 2 do
    local key, value = reply[2][i], reply[2][i + 1]
    found[#found + 1] = key
    if ARGV[3] ~= 'keys' then found[#found + 1] = value end
    entries, octets = entries + 1, octets + #key + #value
  end
  steps = steps + 1
until cursor == '0' or entries >= most_entries or octets >= most_octets or steps >= 1000
return { cursor, found }
`);

/**
 * Renames a key that holds anything but a set. In one step, so that of several sidecars only one renames it,
 * and none renames the set that another one has made meanwhile. A mark stays until the set is made anew.
 *
 * KEYS: the set, the other name, the mark. Replies the type of what was there, and whether the mark is.
 */
export const SET_ASIDE_SCRIPT: RedisScript = script(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'set' and kind ~= 'none' then
  redis.call('SET', KEYS[3], '1') -- first, for it may fail: a full Redis renames all the same
  redis.call('RENAME', KEYS[1], KEYS[2])
end
return { kind, redis.call('EXISTS', KEYS[3]) }
`);

function script(text: string): RedisScript {
  return { source: text, digest: createHash('sha1').update(text).digest('hex') };
}
