-- expire.lua: documents whose time has come, by the schedule, and when the next one is due. The caller makes the tombstones, each
-- by write.lua, which compares the base given here: of several callers one succeeds.
--
-- KEYS  1 expiry  2 purged
-- ARGV  1 now in ms   2 data key without service and id
--       3 due entries to pass over   4 entries to look at, at most   5 bytes after which to stop
--       keys without the service: 6 index   7 names   8 deleted
--
-- Returns  {is_end, next, then for each document: its member (service:id), its envelope}
-- is_end 1: no due entry stands behind those looked at. next: time of the first that is not due, or empty. Envelopes as in
-- write.lua. An entry whose document is deleted, or has no or another time is put right here, so that it is not met again and
-- again; a document that Redis itself has dropped (its net) leaves the indexes, and counts as purged (changed.lua).
-- The keys of documents and services are not in KEYS: not for Redis Cluster.

local HEAD = '^{"revision":%d+,"updatedAt":%d+,"createdAt":%d+,"expiresAt":(%d+),"service":'

-- The envelope and its expiresAt; no envelope: there is no living document with a time.
local function read(key)
  local envelope = redis.pcall('GET', key)
  if type(envelope) == 'string' then
    local time = string.match(envelope, HEAD)
    return time and envelope, time, #envelope
  end
  if type(envelope) ~= 'table' then
    return false
  end
  local time, text = redis.pcall('JSON.GET', key, '.expiresAt'), nil
  if type(time) == 'string' and redis.pcall('JSON.GET', key, '.deleted') ~= 'true' then
    text = redis.pcall('JSON.GET', key, 'NOESCAPE', '.')
  end
  if type(text) ~= 'string' then
    return false
  end
  return {text}, time, #text
end

-- What Redis itself has dropped, without an event. `member` is service:id.
local function forget(member)
  local service, id = string.match(member, '^([^:]*):(.*)$')
  if not service then
    return
  end
  local sequence = tonumber(redis.call('ZSCORE', ARGV[6] .. service, id) or 0)
  if sequence > tonumber(redis.call('GET', KEYS[2]) or 0) then
    redis.call('SET', KEYS[2], string.format('%.0f', sequence))
  end
  for a = 6, 8 do
    redis.call('ZREM', ARGV[a] .. service, id)
  end
end

local now, limit, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', ARGV[3], ARGV[4])
local items, bytes = {#found < limit and 1 or 0, ''}, 0
for i = 1, #found do
  local envelope, time, size = read(ARGV[2] .. found[i])
  if not envelope then
    redis.call('ZREM', KEYS[1], found[i])
    if redis.call('EXISTS', ARGV[2] .. found[i]) == 0 then
      forget(found[i])
    end
  elseif tonumber(time) > now then
    redis.call('ZADD', KEYS[1], time, found[i])
  else
    items[#items + 1] = found[i]
    items[#items + 1] = envelope
    bytes = bytes + size
    if bytes > bytes_max and i < #found then
      items[1] = 0
      break
    end
  end
end

local coming = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
items[2] = coming[2] or ''
return items
