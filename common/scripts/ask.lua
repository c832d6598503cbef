-- ask.lua: a question for all workers of all hosts.
--
-- KEYS  1 runs
-- ARGV  1 control channel   2 the question
--
-- Returns  the runs that should answer.

local runs = redis.call('SMEMBERS', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return runs
