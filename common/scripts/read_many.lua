-- read_many.lua: documents by their keys, whatever their encoding.
--
-- KEYS  data keys
--
-- Returns  an array of envelopes in the order of KEYS, each as in write.lua

local envelopes = {}
for i = 1, #KEYS do
  local envelope = redis.pcall('GET', KEYS[i])
  if type(envelope) == 'table' then
    envelope = redis.pcall('JSON.GET', KEYS[i], 'NOESCAPE', '.')
    envelope = type(envelope) == 'string' and {envelope} or 0
  end
  envelopes[i] = envelope
end
return envelopes
