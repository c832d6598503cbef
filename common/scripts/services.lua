-- services.lua: services, most recently written first, with their numbers of living documents.
--
-- KEYS  1 services
-- ARGV  1 names key without the service   2 deleted key without the service   3 how many at most
--
-- Returns  {service, count, …}. A service without any document, not even a tombstone, is left out.
-- The zsets are not in KEYS: not for Redis Cluster.

local counts = {}
for _, service in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, ARGV[3] - 1)) do
  local all = redis.call('ZCARD', ARGV[1] .. service)
  if all > 0 then
    counts[#counts + 1] = service
    counts[#counts + 1] = all - redis.call('ZCARD', ARGV[2] .. service)
  end
end
return counts
