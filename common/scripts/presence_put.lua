-- presence_put.lua: a member is there: it joins, changes, or gives a sign of life.
--
-- KEYS  1 presence of the document  2 runs  3 node-presence of the run  4 presence-expiry
-- ARGV  1 run id of the worker that asks; it must be alive
--       2 member: its connectionId   3 its user, as in JSON but without the quotes
--       4 mode; empty: as before, or viewing   5 data; empty: as before, or {}
--       6 ms to live without a further sign (REST); empty: as long as the run (a socket)
--       7 service   8 id   9 channel   10 most members of a document
--       11 quiet: 1 when what is there already makes no event
--
-- Returns  'run'    the run id is not alive: nothing done
--          'taken'  REST asks for a member that is a socket's, or another user's: nothing done
--          'full'   no more members: nothing done
--          {is_new, users, member}   member as clients see it; numbers are integers
--
-- The hash: member → `{"run":R,"until":T,"userId":U,"connectionId":C,"mode":…,"data":…,"since":…,"updatedAt":…}` (run is empty for REST,
-- until is 0 for sockets; clients see what stands from userId on), `#user` → its connections, `#` → number of users.
-- Data is cut out of the text and put back, never decoded.

local key, member, user = KEYS[1], ARGV[2], ARGV[3]
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then
  return 'run'
end

local by_socket = ARGV[6] == ''
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now = string.format('%.0f', now_ms)
local entry = ARGV[7] .. ':' .. ARGV[8] .. ' ' .. member

local old, old_run, old_user, old_mode, old_data, old_since, old_at = redis.call('HGET', key, member), nil, nil, nil, nil, nil, nil
if old then
  local rest
  old_run, old_user, rest = string.match(old, '^{"run":"([^"]*)","until":%d+,"userId":"(.-)","connectionId":"[^"]*",(.*)$')
  old_mode, old_data, old_since, old_at = string.match(rest or '', '^"mode":"(%a+)","data":(.*),"since":(%d+),"updatedAt":(%d+)}$')
  if not by_socket and (old_run ~= '' or old_user ~= user) then
    return 'taken'
  end
elseif redis.call('HLEN', key) - (redis.call('HGET', key, '#') or 0) > tonumber(ARGV[10]) then
  return 'full'
end

local is_same = old_user == user and (ARGV[4] == '' or ARGV[4] == old_mode) and (ARGV[5] == '' or ARGV[5] == old_data)
local is_quiet = is_same and ARGV[11] == '1'
local mode = ARGV[4] ~= '' and ARGV[4] or old_mode or 'viewing'
local data = ARGV[5] ~= '' and ARGV[5] or old_data or '{}'
local run, until_ms = ARGV[1], '0'
if by_socket then
  redis.call('SADD', KEYS[3], entry)
else
  run, until_ms = '', string.format('%.0f', now_ms + ARGV[6])
  redis.call('ZADD', KEYS[4], until_ms, entry)
end
local public = '"userId":"' .. user .. '","connectionId":"' .. member .. '","mode":"' .. mode .. '","data":' .. data .. ',"since":' ..
  (old_user == user and old_since or now) .. ',"updatedAt":' .. (is_quiet and old_at or now) .. '}'
redis.call('HSET', key, member, '{"run":"' .. run .. '","until":' .. until_ms .. ',' .. public)
public = '{' .. public

-- Users: the first connection joins, the last one leaves; what lies between is an update.
local joined, updated, left = '', '', ''
if old_user and old_user ~= user then
  left = '{"userId":"' .. old_user .. '","connectionId":"' .. member .. '"}'
  if redis.call('HINCRBY', key, '#' .. old_user, -1) > 0 then
    updated, left = string.sub(left, 1, -2) .. ',"mode":null},', ''
  else
    redis.call('HDEL', key, '#' .. old_user)
    redis.call('HINCRBY', key, '#', -1)
  end
end
if old_user == user or redis.call('HINCRBY', key, '#' .. user, 1) > 1 then
  updated = updated .. public
else
  redis.call('HINCRBY', key, '#', 1)
  joined, updated = public, string.sub(updated, 1, -2)
end

local users = redis.call('HGET', key, '#')
if not is_quiet then
  redis.call('PUBLISH', ARGV[9], '{"type":"event","topic":"sync.' .. ARGV[7] .. '.presence","source":"sync","timestamp":' .. now ..
    ',"payload":{"service":"' .. ARGV[7] .. '","documentId":"' .. ARGV[8] .. '","joined":[' .. joined .. '],"updated":[' .. updated ..
    '],"left":[' .. left .. '],"count":' .. users .. '}}')
end
return {old_user == user and 0 or 1, tonumber(users), public}
