-- read_many.lua: documents by their keys, whatever their encoding.
--
-- KEYS  data keys
-- ARGV  1 bytes after which no more are read: neither Redis nor who asks is kept from others by many large ones at once
--
-- Returns  an array of envelopes in the order of KEYS, each as in write.lua: of all, or of the first ones, at least one

local envelopes, left = {}, tonumber(ARGV[1])
for i = 1, #KEYS do
  local envelope = redis.pcall('GET', KEYS[i])
  if type(envelope) == 'table' then
    envelope = redis.pcall('JSON.GET', KEYS[i], 'NOESCAPE', '.')
    left = left - (type(envelope) == 'string' and #envelope or 0)
    envelope = type(envelope) == 'string' and {envelope} or 0
  elseif envelope then
    left = left - #envelope
  end
  envelopes[i] = envelope
  if left <= 0 then
    break
  end
end
return envelopes
