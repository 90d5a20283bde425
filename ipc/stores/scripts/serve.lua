-- Say that a hub has members of a group, by the clock of Redis, which all hubs share.
--
-- KEYS: the sorted set of hubs. ARGV: the hub, milliseconds that its word holds.
-- Returns: 1 if its last word still held, then all hubs whose word holds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
local is_new = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], 4 * ARGV[2])
return {1 - is_new, redis.call('ZRANGE', KEYS[1], 0, -1)}
