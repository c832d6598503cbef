-- mark.lua: publishes how far writes have got, on one supervisor's own channel.
--
-- KEYS  1 sequence
-- ARGV  1 mark channel
--
-- Returns  nothing: the mark is what comes through the subscription.

redis.call('PUBLISH', ARGV[1], redis.call('GET', KEYS[1]) or '0')
