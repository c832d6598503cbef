-- gap.lua: what was written since a mark, for a supervisor whose subscription was away.
--
-- KEYS  1 sequence  2 services  3 raised
-- ARGV  1 mark from which to look   2 the last mark   3 index key without the service   4 documents at most
--       5 by how much a sequence is raised above the last mark
--
-- Returns  {sequence, is_too_many, then for each document: service, id, sequence of its last write}
-- sequence: as found. When it is below the last mark the primary has lost writes; it is raised, so that positions never go
-- back. Others, and who asks again, then find it raised: raised (found → what it became; of the last 16) tells them what it
-- was. The indexes are not in KEYS: not for Redis Cluster.

local found, mark = redis.call('GET', KEYS[1]) or '0', tonumber(ARGV[2])
if tonumber(found) < mark then
  local to = string.format('%.0f', mark + ARGV[5])
  redis.call('SET', KEYS[1], to)
  redis.call('ZADD', KEYS[3], to, found)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -17)
else
  for _, from in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[2], '+inf')) do
    if tonumber(from) < mark then
      found = from
    end
  end
end

local items, left = {found, 0}, tonumber(ARGV[4])
for _, service in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')) do
  local ids = redis.call('ZRANGEBYSCORE', ARGV[3] .. service, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, left + 1)
  left = left - #ids / 2
  if left < 0 then
    return {found, 1}
  end
  for i = 1, #ids, 2 do
    items[#items + 1] = service
    items[#items + 1] = ids[i]
    items[#items + 1] = ids[i + 1]
  end
end
return items
