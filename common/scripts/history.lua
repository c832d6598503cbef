-- history.lua: a run of history entries, newest first, the newest envelope and the sequence, all of one moment.
--
-- KEYS  1 data  2 history  3 sequence
-- ARGV  1 newest entry wanted: + or <revision>-0   2 oldest entry wanted: - or <revision>-0
--       3 entries, at most   4 bytes of fields after which to stop; one entry always comes
--       5 how much of the envelope's string: index of its last byte, -1: all
--       6 the first entry with this sequence or a lower one ends the range; 0: none does
--
-- Returns  {envelope, ID of the oldest entry that is kept, is_end, sequence, entry…}
-- Envelope as in write.lua, a string cut to ARGV[5]; nil: there is none. The ID is nil when there is no history. is_end 1: nothing
-- older in the range. Entries as XREVRANGE gives them.

local envelope = redis.pcall('GETRANGE', KEYS[1], 0, ARGV[5])
if type(envelope) == 'table' then
  envelope = redis.pcall('JSON.GET', KEYS[1], 'NOESCAPE', '.')
  envelope = type(envelope) == 'string' and {envelope} or 0
elseif envelope == '' then
  envelope = false
end

local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local result = {envelope, oldest[1] and oldest[1][1] or false, 0, redis.call('GET', KEYS[3]) or '0'}
local last_sequence = tonumber(ARGV[6])
local from, left, bytes, bytes_max = ARGV[1], tonumber(ARGV[3]), 0, tonumber(ARGV[4])
while left > 0 and bytes < bytes_max do
  -- Little by little: what is too much is not even read.
  local step = left < 16 and left or 16
  local entries = redis.call('XREVRANGE', KEYS[2], from, ARGV[2], 'COUNT', step)
  for i = 1, #entries do
    local fields = entries[i][2]
    local is_last = false
    for f = 1, #fields, 2 do
      bytes = bytes + #fields[f + 1]
      is_last = is_last or (fields[f] == 'seq' and (tonumber(fields[f + 1]) or 0) <= last_sequence)
    end
    if bytes > bytes_max and #result > 4 then
      return result
    end
    result[#result + 1] = entries[i]
    if is_last then
      result[3] = 1
      return result
    end
  end
  if #entries < step then
    result[3] = 1
    return result
  end
  left = left - step
  from = '(' .. entries[step][1]
end
if #redis.call('XREVRANGE', KEYS[2], from, ARGV[2], 'COUNT', 1) == 0 then
  result[3] = 1
end
return result
