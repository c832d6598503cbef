-- write.lua: one write of a document, 1 or more revisions on top of a base: all or none.
--
-- KEYS  1 data  2 history  3 sequence  4 index  5 names  6 deleted  7 services  8 expiry
-- ARGV  1 encoding: json, string, or auto (ask the server)
--       2 base revision (0: there must be no document)   3 its updatedAt
--       4 envelope of the last revision   5 service   6 id   7 channel
--       8 purge time in ms when the last revision is a tombstone, else empty
--       9 expiresAt in ms when it lives and has one, else empty
--      10 net: time in ms when Redis itself drops data and history, else empty
--      11 history.max (0: no history)   12 history.max_bytes
--      13 the base was a tombstone: 1   14 the base had an expiresAt and lived: 1
--      15 an Idempotency-Key is given: 1
--      16 running sum of the history at the base, empty when the caller does not know it: then it is read
--      17 number of revisions, then for each: entry ID, op, at, by, req, key, diff, event
--
-- Returns  integer                          written: sequence of the first revision
--          {'written', sequence, sum, reason}   the same, with the running sum where it was read (else 0); with a
--                                           reason: JSON.SET was refused, it is stored as a string
--          {'mismatch', envelope}           the base is not what is stored
--          {'key', index, revision, envelope}   key of revision `index` (from 0) is among the last 20
--                                           entries, which made `revision`; whatever the base
-- An envelope is a string as stored, {text} when RedisJSON printed it, nil when there is none, 0 when what is there is none.
--
-- INCRBY is the first effect, for want of memory Redis refuses only that one; then comes XADD (before it only UNLINK of a history
-- without a document). Its ID is a second guard, and a refused one ends the script. What stands behind it is only refused when
-- somebody put another type under one of our zset keys. Numbers are printed with %.0f, documents never touched.

local data, history, base = KEYS[1], KEYS[2], ARGV[2]
local encoding = ARGV[1]
if encoding == 'auto' then
  local known = redis.pcall('COMMAND', 'INFO', 'JSON.SET')
  encoding = known[1] and 'json' or 'string'
end

-- Compare. `stored_as`: how the base is encoded; nil when there is none. `is_first`: there is no document: what is left of a
-- history is of one that was evicted, or removed by somebody else.
local matches, stored_as
local is_first = false
if base == '0' then
  matches = redis.call('EXISTS', data) == 0
  is_first = matches
else
  local head = '{"revision":' .. base .. ',"updatedAt":' .. ARGV[3] .. ','
  for try = 1, 2 do
    if (encoding == 'string') == (try == 1) then
      local stored = redis.pcall('GETRANGE', data, '0', #head - 1)
      if type(stored) == 'string' then
        matches, stored_as = stored == head, 'string'
        break
      end
    else
      local revision = redis.pcall('JSON.GET', data, '.revision')
      if type(revision) == 'string' then
        matches = revision == base and redis.pcall('JSON.GET', data, '.updatedAt') == ARGV[3]
        stored_as = 'json'
        break
      elseif not revision then
        break
      end
    end
  end
end

-- The newest entry carries the running sum; the last 20 carry the keys.
local has_history, newest = ARGV[11] ~= '0', nil
if has_history and not is_first and (ARGV[15] == '1' or ARGV[16] == '') then
  newest = redis.call('XREVRANGE', history, '+', '-', 'COUNT', ARGV[15] == '1' and '20' or '1')
end

local seen_index, seen_revision
if newest and ARGV[15] == '1' then
  local keys = {}
  for i = #newest, 1, -1 do
    local fields = newest[i][2]
    for f = 1, #fields, 2 do
      if fields[f] == 'key' and fields[f + 1] ~= '' then
        keys[fields[f + 1]] = string.match(newest[i][1], '^%d+')
      end
    end
  end
  for i = 0, ARGV[17] - 1 do
    local revision = keys[ARGV[23 + i * 8]]
    if revision then
      seen_index, seen_revision = i, revision
      break
    end
  end
end

if seen_index or not matches then
  local envelope = redis.pcall('GET', data)
  if type(envelope) == 'table' then
    envelope = redis.pcall('JSON.GET', data, 'NOESCAPE', '.')
    envelope = type(envelope) == 'string' and {envelope} or 0
  end
  if seen_index then
    return {'key', seen_index, seen_revision, envelope}
  end
  return {'mismatch', envelope}
end

local count = tonumber(ARGV[17])
local last = redis.call('INCRBY', KEYS[3], ARGV[17])
if is_first then
  redis.call('UNLINK', history) -- its IDs would refuse ours for ever
end
local last_text = string.format('%.0f', last)

local sum = 0
if has_history then
  local budget, was_large = tonumber(ARGV[12]), false
  local step = budget / 16
  if ARGV[16] ~= '' then
    sum = tonumber(ARGV[16])
  elseif newest and newest[1] then
    local fields = newest[1][2]
    for f = 1, #fields, 2 do
      if fields[f] == 'sum' then
        sum = tonumber(fields[f + 1]) or 0
      elseif fields[f] == 'diff' then
        was_large = #fields[f + 1] > step
      end
    end
  end
  local sum_before = sum
  for i = 1, count do
    local a = 10 + i * 8
    local diff = ARGV[a + 6]
    local size = #ARGV[a + 1] + #ARGV[a + 2] + #ARGV[a + 3] + #ARGV[a + 4] + #ARGV[a + 5]
    local sequence = i == count and last_text or string.format('%.0f', last - count + i)
    if size + #diff > budget then
      sum = sum + size
      redis.call('XADD', history, 'MAXLEN', ARGV[11], ARGV[a], 'op', ARGV[a + 1], 'at', ARGV[a + 2],
        'by', ARGV[a + 3], 'seq', sequence, 'req', ARGV[a + 4], 'key', ARGV[a + 5],
        'sum', string.format('%.0f', sum))
    else
      sum = sum + size + #diff
      redis.call('XADD', history, 'MAXLEN', ARGV[11], ARGV[a], 'op', ARGV[a + 1], 'at', ARGV[a + 2],
        'by', ARGV[a + 3], 'seq', sequence, 'req', ARGV[a + 4], 'key', ARGV[a + 5],
        'sum', string.format('%.0f', sum), 'diff', diff)
    end
  end
  -- Bytes: looked at only when the sum steps over a 16th of the budget (or behind a large entry, whose sum callers do not
  -- remember), and then cut to 15 of them; so the oldest entries are not read on every write and the budget is never exceeded.
  if sum > budget - step and (was_large or math.floor(sum / step) ~= math.floor(sum_before / step)) then
    local cut, from, minimum = sum - (budget - step), '-', nil
    local newest_id = ARGV[10 + count * 8]
    while true do
      local oldest = redis.call('XRANGE', history, from, '+', 'COUNT', 4)
      local is_done = #oldest == 0
      for i = 1, #oldest do
        local fields, size, to = oldest[i][2], 0, 0
        for f = 1, #fields, 2 do
          if fields[f] == 'sum' then
            to = tonumber(fields[f + 1]) or 0
          elseif fields[f] ~= 'seq' then
            size = size + #fields[f + 1]
          end
        end
        -- It goes when what stays from here on is still too much; the newest always stays.
        if to - size >= cut or oldest[i][1] == newest_id then
          minimum, is_done = oldest[i][1], true
          break
        end
      end
      if is_done then
        break
      end
      from = '(' .. oldest[#oldest][1]
    end
    if minimum then
      redis.call('XTRIM', history, 'MINID', minimum)
    end
  end
else
  -- A history with a hole could not be rebuilt backwards.
  redis.call('UNLINK', history)
end

local net, refused = ARGV[10], nil
if encoding == 'json' then
  if stored_as == 'string' then
    redis.call('DEL', data)
  end
  local done = redis.pcall('JSON.SET', data, '.', ARGV[4])
  if type(done) == 'table' and done.err then
    refused = done.err
  elseif net ~= '' then
    redis.call('PEXPIREAT', data, net)
  elseif ARGV[13] == '1' or ARGV[14] == '1' then
    redis.call('PERSIST', data)
  end
end
if encoding ~= 'json' or refused then
  if net ~= '' then
    redis.call('SET', data, ARGV[4], 'PXAT', net)
  else
    redis.call('SET', data, ARGV[4])
  end
end
if net ~= '' then
  redis.call('PEXPIREAT', history, net)
elseif ARGV[13] == '1' or ARGV[14] == '1' then
  redis.call('PERSIST', history)
end

redis.call('ZADD', KEYS[4], last_text, ARGV[6])
redis.call('ZADD', KEYS[7], last_text, ARGV[5])
if base == '0' then
  redis.call('ZADD', KEYS[5], '0', ARGV[6])
end
if ARGV[8] ~= '' then
  redis.call('ZADD', KEYS[6], ARGV[8], ARGV[6])
elseif base == '0' or ARGV[13] == '1' then
  redis.call('ZREM', KEYS[6], ARGV[6])
end
if ARGV[9] ~= '' then
  redis.call('ZADD', KEYS[8], ARGV[9], ARGV[5] .. ':' .. ARGV[6])
elseif base == '0' or ARGV[14] == '1' then
  redis.call('ZREM', KEYS[8], ARGV[5] .. ':' .. ARGV[6])
end

for i = 1, count do
  redis.call('PUBLISH', ARGV[7], ARGV[17 + i * 8])
end
if refused or ARGV[16] == '' then
  return {'written', last - count + 1, ARGV[16] == '' and string.format('%.0f', sum) or 0, refused}
end
return last - count + 1
