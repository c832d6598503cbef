-- purge.lua: removes tombstones whose time is over, with all keys of the document in one step, and services that have nothing left.
-- No event: the document ended when it became a tombstone.
--
-- KEYS  1 services  2 expiry  3 purged
-- ARGV  1 now in ms   2 services to pass over   3 services to look at, at most   4 documents to remove, at most
--       keys without the service: 5 index   6 names   7 deleted   8 data   9 presence   10 history
--
-- Who is present at a tombstone stays so, and its presence goes when they do (presence_remove.lua).
--
-- Returns  {purged, passed, is_end}
-- passed: services to pass over next time. is_end 1: that was the last of them. The keys of documents and services are not in
-- KEYS: not for Redis Cluster.

local HEADS = {'^{"revision":%d+,"updatedAt":%d+,"createdAt":%d+,"deleted":true,',
  '^{"revision":%d+,"updatedAt":%d+,"createdAt":%d+,"expiresAt":%d+,"deleted":true,'}

-- 'tombstone', 'gone', or 'other': made alive again, or not ours.
local function state_of(key)
  local head = redis.pcall('GETRANGE', key, 0, 200)
  if type(head) == 'string' then
    if head == '' then
      return 'gone'
    end
    return (string.match(head, HEADS[1]) or string.match(head, HEADS[2])) and 'tombstone' or 'other'
  end
  return redis.pcall('JSON.GET', key, '.deleted') == 'true' and 'tombstone' or 'other'
end

-- Whoever resumes from before this missed the tombstone for good: changed.lua.
local function raise_purged(sequence)
  if sequence > tonumber(redis.call('GET', KEYS[3]) or 0) then
    redis.call('SET', KEYS[3], string.format('%.0f', sequence))
  end
end

-- `#` is the number of users (presence_put.lua).
local function is_attended(key)
  local users = redis.pcall('HGET', key, '#')
  return type(users) == 'string' and (tonumber(users) or 0) > 0
end

local passed, look, left = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local services = redis.call('ZRANGE', KEYS[1], passed, passed + look - 1)
local purged, is_end = 0, #services < look and 1 or 0
for _, service in ipairs(services) do
  local index, names, deleted = ARGV[5] .. service, ARGV[6] .. service, ARGV[7] .. service
  local due = redis.call('ZRANGEBYSCORE', deleted, '-inf', ARGV[1], 'LIMIT', 0, left)
  for _, id in ipairs(due) do
    local name = service .. ':' .. id
    local state = state_of(ARGV[8] .. name)
    if state ~= 'other' then
      redis.call('UNLINK', ARGV[8] .. name, ARGV[10] .. name .. '}')
      if not is_attended(ARGV[9] .. name) then
        redis.call('UNLINK', ARGV[9] .. name)
      end
      raise_purged(tonumber(redis.call('ZSCORE', index, id) or 0))
      redis.call('ZREM', index, id)
      redis.call('ZREM', names, id)
      redis.call('ZREM', KEYS[2], name)
      purged = purged + 1
    end
    redis.call('ZREM', deleted, id)
  end
  left = left - #due
  if redis.call('EXISTS', names) == 0 then
    redis.call('UNLINK', index, deleted)
    redis.call('ZREM', KEYS[1], service)
  elseif left > 0 then
    passed = passed + 1
  end
  if left == 0 then
    return {purged, passed, 0}
  end
end
return {purged, passed, is_end}
