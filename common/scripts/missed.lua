-- missed.lua: a document as it is, and its history back to what a reader has got already: both at one moment.
--
-- KEYS  1 data  2 history
-- ARGV  1 the last revision the reader knows (0: none)   2 if none: the sequence up to which it knows all
--       3 entries at most   4 bytes after which to stop
--
-- Returns  {envelope, is_cut, then for each entry, newest first: revision, op, at, by, sequence, diff}
-- The last entry is the first that the reader knows, if it is still kept; is_cut 1: there is more than was asked for. Envelope
-- as in write.lua. diff nil: too large to be kept.

local known, from = tonumber(ARGV[1]), tonumber(ARGV[2])
local left, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])

local envelope = redis.pcall('GET', KEYS[1])
if type(envelope) == 'table' then
  envelope = redis.pcall('JSON.GET', KEYS[1], 'NOESCAPE', '.')
  envelope = type(envelope) == 'string' and {envelope} or 0
end

local items, bytes, before = {envelope, 0}, 0, '+'
while true do
  local entries = redis.call('XREVRANGE', KEYS[2], before, '-', 'COUNT', 16)
  for i = 1, #entries do
    local entry = {}
    local fields = entries[i][2]
    for f = 1, #fields, 2 do
      entry[fields[f]] = fields[f + 1]
    end
    local revision = string.match(entries[i][1], '^%d+')
    bytes = bytes + (entry.diff and #entry.diff or 0)
    if left == 0 or bytes > bytes_max then
      items[2] = 1
      return items
    end
    left = left - 1
    for _, value in ipairs({revision, entry.op or '', entry.at or '', entry.by or '', entry.seq or '', entry.diff or false}) do
      items[#items + 1] = value
    end
    local is_known
    if known > 0 then
      is_known = tonumber(revision) <= known
    else
      is_known = (tonumber(entry.seq) or 0) <= from
    end
    if is_known then
      return items
    end
  end
  if #entries < 16 then
    return items
  end
  before = '(' .. entries[16][1]
end
