-- answer.lua: what one worker answers to a question (ask.lua).
--
-- KEYS  1 answers: list, one for each question
-- ARGV  1 the answer   2 how long it is kept, ms   3 most answers
--
-- Returns  nothing.

if redis.call('LLEN', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('RPUSH', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
