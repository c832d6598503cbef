-- changed.lua: the documents whose last write is after a sequence, in the order of those writes.
--
-- KEYS  1 sequence  2 services  3 purged
-- ARGV  1 sequence   2 index key without the service   3 service, empty: all   4 prefix of the ids   5 documents, at most
--
-- Returns  {sequence, is_too_many, purged, then for each document: service, id}
-- purged: highest sequence of a tombstone that is gone for good; what was written before it is not known any more. The
-- indexes are not in KEYS: not for Redis Cluster.

local after, prefix, left = '(' .. ARGV[1], ARGV[4], tonumber(ARGV[5])
local services = {ARGV[3]}
if ARGV[3] == '' then
  services = redis.call('ZRANGEBYSCORE', KEYS[2], after, '+inf')
end

local head = {redis.call('GET', KEYS[1]) or '0', 0, redis.call('GET', KEYS[3]) or '0'}
local found = {}
for _, service in ipairs(services) do
  -- Ids that do not match cost as much to look at as those that do.
  local ids = redis.call('ZRANGEBYSCORE', ARGV[2] .. service, after, '+inf', 'WITHSCORES', 'LIMIT', 0, left + 1)
  left = left - #ids / 2
  if left < 0 then
    head[2] = 1
    return head
  end
  for i = 1, #ids, 2 do
    if prefix == '' or string.sub(ids[i], 1, #prefix) == prefix then
      found[#found + 1] = {tonumber(ids[i + 1]), service, ids[i]}
    end
  end
end

table.sort(found, function(a, b) return a[1] < b[1] end)
for i = 1, #found do
  head[#head + 1] = found[i][2]
  head[#head + 1] = found[i][3]
end
return head
