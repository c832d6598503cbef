-- changed.lua: the documents whose last write is after a sequence, in the order of those writes.
--
-- KEYS  1 sequence  2 services  3 purged  4 raised
-- ARGV  1 sequence   2 index key without the service   3 prefix of the ids   4 id of the only one looked at, empty: all
--       5 documents, at most   6… services; none: all
--
-- Returns  {sequence, is_too_many, purged, then for each document: service, id, sequence of its last write}
-- sequence: what gap.lua found, if it was raised and ARGV[1] is of those that were lost. purged: highest sequence of a tombstone
-- that is gone for good; what was written before it is not known any more. The indexes are not in KEYS: not for Redis Cluster.

local after, prefix, only, left = '(' .. ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[5])
local services = {unpack(ARGV, 6)}
if #services == 0 then
  services = redis.call('ZRANGEBYSCORE', KEYS[2], after, '+inf')
end

local head = {redis.call('GET', KEYS[1]) or '0', 0, redis.call('GET', KEYS[3]) or '0'}
for _, from in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], after, '+inf')) do
  if tonumber(from) < tonumber(ARGV[1]) then
    head[1] = from
  end
end
local found = {}
for _, service in ipairs(services) do
  local ids
  if only == '' then
    -- Ids that do not match cost as much to look at as those that do.
    ids = redis.call('ZRANGEBYSCORE', ARGV[2] .. service, after, '+inf', 'WITHSCORES', 'LIMIT', 0, left + 1)
  else
    local score = redis.call('ZSCORE', ARGV[2] .. service, only)
    ids = score and tonumber(score) > tonumber(ARGV[1]) and {only, score} or {}
  end
  left = left - #ids / 2
  if left < 0 then
    head[2] = 1
    return head
  end
  for i = 1, #ids, 2 do
    if prefix == '' or string.sub(ids[i], 1, #prefix) == prefix then
      found[#found + 1] = {tonumber(ids[i + 1]), service, ids[i], ids[i + 1]}
    end
  end
end

table.sort(found, function(a, b) return a[1] < b[1] end)
for i = 1, #found do
  for column = 2, 4 do
    head[#head + 1] = found[i][column]
  end
end
return head
