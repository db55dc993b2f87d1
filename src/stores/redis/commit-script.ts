import { createHash } from 'node:crypto';
import type { RedisScript } from './redis-link.ts';

const source = `
local entries, users, user = KEYS[1], KEYS[2], ARGV[1]
local may_fail = ARGV[2] == '1'
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

for i = 3, #ARGV, 3 do
  local op, key, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if op == 'expect' and redis.call('HGET', entries, key) ~= value
    or op == 'expect none' and redis.call('HEXISTS', entries, key) == 1 then return 'overtaken' end
end

redis.call('SADD', users, user)
for i = 3, #ARGV, 3 do
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

if redis.call('EXISTS', entries) == 0 then redis.call('SREM', users, user) end
return 'committed'
`;

/**
 * One commit, as a Lua script: Redis runs it whole, with nothing else in between.
 *
 * KEYS: the user's hash, the set of users. ARGV: the user, `1` if anything is incremented, then for
 * each change or expectation its op, key and value. Replies `committed`, `missing`, `invalid` or
 * `overtaken`.
 *
 * A script that gives up halfway does not take its writes back by itself, so those before an
 * increment are remembered. All other errors (out of memory, read-only replica, wrong type) come
 * from the first look at the user's hash or the first write, before anything was changed.
 */
export const COMMIT_SCRIPT: RedisScript = {
  source,
  digest: createHash('sha1').update(source).digest('hex'),
};
