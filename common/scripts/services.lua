-- services.lua: services, most recently written first, with their numbers of living documents.
--
-- KEYS  1 services
-- ARGV  1 names key without the service   2 deleted key without the service   3 how many at most
--       4 what of them, as JSON: service or `*` → true, false, or a list of {text, 1: ids that begin so, 0: the id};
--         empty: everything   5 ids to look at, at most
--
-- Returns  {service, count, is_at_least, …}   is_at_least 1: there was more to look at
-- A service without any document, not even a tombstone, is left out, as is one with documents of which none may be seen.
-- The zsets are not in KEYS: not for Redis Cluster.

local rules, left = ARGV[4] ~= '' and cjson.decode(ARGV[4]), tonumber(ARGV[5])

local function count_some(names, deleted, patterns)
  local count, has_tombstones = 0, redis.call('EXISTS', deleted) == 1
  for _, pattern in ipairs(patterns) do
    local text = pattern[1]
    local from, to = '[' .. text, '[' .. text
    if pattern[2] == 1 then
      to = '(' .. string.sub(text, 1, -2) .. string.char(string.byte(text, -1) + 1)
    end
    if not has_tombstones then
      count = count + redis.call('ZLEXCOUNT', names, from, to)
    else
      local ids = redis.call('ZRANGEBYLEX', names, from, to, 'LIMIT', 0, left + 1)
      for i = 1, math.min(#ids, left) do
        count = count + (redis.call('ZSCORE', deleted, ids[i]) and 0 or 1)
      end
      left = left - #ids
      if left < 0 then
        left = 0
        return count, 1
      end
    end
  end
  return count, 0
end

local counts = {}
for _, service in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, ARGV[3] - 1)) do
  local names, deleted = ARGV[1] .. service, ARGV[2] .. service
  local rule = true
  if rules then
    rule = rules[service]
    if rule == nil then
      rule = rules['*']
    end
  end
  local all, more = rule and redis.call('ZCARD', names) or 0, 0
  local count = 0
  if all > 0 and rule == true then
    count = all - redis.call('ZCARD', deleted)
  elseif all > 0 then
    count, more = count_some(names, deleted, rule)
    all = count + more
  end
  if all > 0 then
    counts[#counts + 1] = service
    counts[#counts + 1] = count
    counts[#counts + 1] = more
  end
end
return counts
