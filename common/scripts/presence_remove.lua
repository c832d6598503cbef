-- presence_remove.lua: members go: one that leaves, all of a run that has ended, or those of REST whose time is up.
--
-- KEYS  1 where the entries stand: node-presence of a run (a set), presence-expiry (a zset) for REST
--       2 runs  3 runs-ended   with `ended` only
-- ARGV  1 leave, ended or expired
--       2 run id that the entries must name; empty: REST
--       3 presence key without service and id   4 channel likewise
--       5 leave: the entry; else how many at most
--       6 leave, of REST: the user who asks, as in JSON but without the quotes; empty or absent: whoever it is
--
-- Returns  'taken'  leave, of REST: the member is a connection's or another user's: nothing done
--          {removed, left, users}   left: > 0 when there is more to do; users: of the last document touched
--
-- An entry is `{service}:{id} {member}`. It goes only if the hash still names that run: a member that came back under
-- another run stays. One event per document. The presence hashes are not in KEYS: not for Redis Cluster.

local verb, run = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now = string.format('%.0f', now_ms)

if verb == 'leave' and run == '' then
  local place, member = string.match(ARGV[5], '^(%S*) (%S*)$')
  local old = redis.call('HGET', ARGV[3] .. place, member)
  local old_run, owner = string.match(old or '', '^{"run":"([^"]*)","until":%d+,"userId":"(.-)","connectionId":"')
  local asker = ARGV[6] or ''
  if old_run and (old_run ~= '' or (asker ~= '' and owner ~= asker)) then
    return 'taken'
  end
end

local entries, left = {ARGV[5]}, 0
if verb == 'ended' then
  redis.call('SREM', KEYS[2], run)
  entries = redis.call('SPOP', KEYS[1], ARGV[5])
  left = redis.call('SCARD', KEYS[1])
  if left == 0 then
    redis.call('SREM', KEYS[3], run)
  end
elseif verb == 'expired' then
  entries = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[5])
  left = #entries == tonumber(ARGV[5]) and 1 or 0
end

local documents, order, removed, users = {}, {}, 0, 0
for _, entry in ipairs(entries) do
  if verb ~= 'ended' then
    redis.call(run == '' and 'ZREM' or 'SREM', KEYS[1], entry)
  end
  local place, member = string.match(entry, '^(%S*) (%S*)$')
  local key = ARGV[3] .. (place or '')
  local old = place and redis.call('HGET', key, member)
  local old_run, until_ms, user = string.match(old or '', '^{"run":"([^"]*)","until":(%d+),"userId":"(.-)","connectionId":"')
  if old_run == run and (verb ~= 'expired' or tonumber(until_ms) <= now_ms) then
    local document = documents[place]
    if not document then
      document = {updated = {}, left = {}}
      documents[place] = document
      order[#order + 1] = place
    end
    removed = removed + 1
    redis.call('HDEL', key, member)
    local item = '{"userId":"' .. user .. '","connectionId":"' .. member .. '"'
    if redis.call('HINCRBY', key, '#' .. user, -1) > 0 then
      document.updated[#document.updated + 1] = item .. ',"mode":null}'
    else
      redis.call('HDEL', key, '#' .. user)
      redis.call('HINCRBY', key, '#', -1)
      document.left[#document.left + 1] = item .. '}'
    end
  elseif place and verb == 'leave' then
    users = tonumber(redis.call('HGET', key, '#') or 0)
  end
end

for _, place in ipairs(order) do
  local key = ARGV[3] .. place
  local service, id = string.match(place, '^([^:]*):(.*)$')
  users = tonumber(redis.call('HGET', key, '#') or 0)
  if users <= 0 then
    redis.call('DEL', key)
    users = 0
  end
  redis.call('PUBLISH', ARGV[4] .. place, '{"type":"event","topic":"sync.' .. service .. '.presence","source":"sync","timestamp":' .. now ..
    ',"payload":{"service":"' .. service .. '","documentId":"' .. id .. '","joined":[],"updated":[' ..
    table.concat(documents[place].updated, ',') .. '],"left":[' .. table.concat(documents[place].left, ',') .. '],"count":' ..
    string.format('%.0f', users) .. '}}')
end
return {removed, left, users}
