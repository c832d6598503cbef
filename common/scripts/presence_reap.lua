-- presence_reap.lua: which runs have ended. Moves them from runs to runs-ended, where they stay until their presence is cleaned.
--
-- KEYS  1 runs  2 runs-ended
-- ARGV  1 lease key without node and incarnation   2 who asks: {node}.{incarnation}   3 the value of its lease
--       4 the highest n it has forked   5 how many to return   6… its living run ids
--
-- Returns  ended run ids that are to be cleaned, whoever's they are
--
-- Ended are: own runs that do not live (a younger one than the asker knew of is left alone: the request may be late), runs whose
-- lease is gone, and runs whose lease has our value: it names the state directory, which we hold the lock of, so that is a
-- former supervisor of ours. The leases are not in KEYS: not for Redis Cluster.

local living = {}
for i = 6, #ARGV do
  living[ARGV[i]] = true
end

local is_gone = {}
for _, run in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local host, n = string.match(run, '^(.*)%.(%d+)$')
  local has_ended
  if host == ARGV[2] then
    has_ended = not living[run] and tonumber(n) <= tonumber(ARGV[4])
  elseif host then
    if is_gone[host] == nil then
      local lease = redis.call('GET', ARGV[1] .. host)
      is_gone[host] = not lease or lease == ARGV[3]
    end
    has_ended = is_gone[host]
  end
  if has_ended then
    redis.call('SREM', KEYS[1], run)
    redis.call('SADD', KEYS[2], run)
  end
end
return redis.call('SRANDMEMBER', KEYS[2], ARGV[5])
