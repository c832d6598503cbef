-- read_unless.lua: the head of a document, where the caller has the rest already or wants none of it.
--
-- KEYS  1 data
-- ARGV  1 bytes of the longest head   2 service   3 id   4 whatever it is, the head will do: 1
--       then for each revision that the caller has: revision, updatedAt
--
-- Returns  {head, length}   a document that is one of those: its head as stored, with what of the data stands in that
--                           many bytes, and the length of the whole
--          1   another one: to be read by GET or JSON.GET, for a large text takes several times as long through Lua
--          nil when there is none, 0 when what is there is none

local data, any = KEYS[1], ARGV[4] == '1'

local head = redis.pcall('GETRANGE', data, '0', ARGV[1] - 1)
if head == '' then
  return false
end
if type(head) == 'string' then
  for i = 5, #ARGV, 2 do
    local known = '{"revision":' .. ARGV[i] .. ',"updatedAt":' .. ARGV[i + 1] .. ','
    any = any or string.sub(head, 1, #known) == known
  end
  return any and {head, redis.call('STRLEN', data)} or 1
end

-- nil where it has no such member: some servers then answer nil, others with an error.
local function member(path)
  local text = redis.pcall('JSON.GET', data, path)
  return type(text) == 'string' and text or nil
end
local revision, updated_at, created_at = member('.revision'), member('.updatedAt'), member('.createdAt')
if not (revision and updated_at and created_at) then
  return 0
end
for i = 5, #ARGV, 2 do
  any = any or (revision == ARGV[i] and updated_at == ARGV[i + 1])
end
if not any then
  return 1
end
local expires_at = member('.expiresAt')
return {
  '{"revision":' .. revision .. ',"updatedAt":' .. updated_at .. ',"createdAt":' .. created_at ..
    (expires_at and ',"expiresAt":' .. expires_at or '') .. (member('.deleted') == 'true' and ',"deleted":true' or '') ..
    ',"service":"' .. ARGV[2] .. '","id":"' .. ARGV[3] .. '","data":',
  #redis.call('JSON.GET', data, 'NOESCAPE', '.'),
}
