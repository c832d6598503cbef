-- revoke.lua: tokens of a subject, or one token, issued before a moment, are good no more; all hosts are told.
--
-- KEYS  1 revoked: zset, `sub:{subject}` or `jti:{token id}` → issuedBefore
-- ARGV  1 the member   2 issuedBefore, Unix ms   3 entries before this moment are dropped: their tokens have expired
--       4 most entries   5 control channel   6 message for it
--
-- Returns  1; 0: there are too many, nothing was done.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
