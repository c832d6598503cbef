-- list.lua: a piece of a page of documents. The caller judges what lives and comes again with the cursor.
--
-- KEYS  1 index (order updated) or names (order id)
-- ARGV  1 order: updated or id
--       2 data key without the id   3 cursor of the last id looked at, empty at the start   4 prefix of the ids
--       5 items wanted   6 ids to look at, at most   7 bytes after which to stop
--       8 how much of each string: index of its last byte, -1: all
--
-- Returns  {is_end, looked_at, cursor, then for each document: its cursor, its envelope}
-- is_end 1: there is nothing behind. A cursor is a sequence or an id. Envelopes as in write.lua, strings cut to ARGV[8].
-- Ids whose document is gone are left out. The data keys are not in KEYS: not for Redis Cluster.

local by_id, cursor, prefix = ARGV[1] == 'id', ARGV[3], ARGV[4]
local wanted, look, bytes_max, last_byte = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]

local found, step
if by_id then
  local from, to = '-', '+'
  if prefix ~= '' then
    from, to = '[' .. prefix, '(' .. string.sub(prefix, 1, -2) .. string.char(string.byte(prefix, -1) + 1)
  end
  if cursor ~= '' then
    from = '(' .. cursor
  end
  found, step = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, look), 1
else
  local from = cursor == '' and '+inf' or '(' .. cursor
  found, step = redis.call('ZREVRANGEBYSCORE', KEYS[1], from, '-inf', 'WITHSCORES', 'LIMIT', 0, look), 2
end

local items, bytes, looked = {0, 0, cursor}, 0, 0
for i = 1, #found, step do
  local id = found[i]
  cursor = found[i + step - 1]
  looked = looked + 1
  if by_id or prefix == '' or string.sub(id, 1, #prefix) == prefix then
    local key = ARGV[2] .. id
    local envelope = redis.pcall('GETRANGE', key, 0, last_byte)
    local text = envelope
    if type(envelope) == 'table' then
      text = redis.pcall('JSON.GET', key, 'NOESCAPE', '.')
      envelope = type(text) == 'string' and {text} or 0
    end
    if envelope ~= '' then
      items[#items + 1] = cursor
      items[#items + 1] = envelope
      wanted = wanted - 1
      bytes = bytes + (type(text) == 'string' and #text or 0)
      if wanted == 0 or bytes > bytes_max then
        break
      end
    end
  end
end

if looked * step == #found and looked < look then
  items[1] = 1
end
items[2], items[3] = looked, cursor
return items
