-- find.lua: looks for the write with a request id among the history entries, newest first.
--
-- KEYS  1 data  2 history
-- ARGV  1 request id
--
-- Returns  nil                                        not there
--          {revision, updatedAt, sequence, envelope}  numbers as strings; envelope: the newest one, as in write.lua

local from = '+'
while true do
  local entries = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', 20)
  for i = 1, #entries do
    local entry = {}
    local fields = entries[i][2]
    for f = 1, #fields, 2 do
      entry[fields[f]] = fields[f + 1]
    end
    if entry.req == ARGV[1] then
      local envelope = redis.pcall('GET', KEYS[1])
      if type(envelope) == 'table' then
        envelope = redis.pcall('JSON.GET', KEYS[1], 'NOESCAPE', '.')
        envelope = type(envelope) == 'string' and {envelope} or 0
      end
      return {string.match(entries[i][1], '^%d+'), entry.at, entry.seq, envelope}
    end
  end
  if #entries < 20 then
    return false
  end
  from = '(' .. entries[20][1]
end
