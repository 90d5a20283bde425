-- Write what one hub has counted, each step into the hash of its time, replacing what the hub wrote there before.
--
-- KEYS: the hashes.
-- ARGV: the hub, how many hubs a hash holds, and then, for each hash, how many seconds it is kept, and the value.
-- Returns: how many were written; a hash that is full takes no further hub.
local hub, most, written = ARGV[1], tonumber(ARGV[2]), 0
for i, key in ipairs(KEYS) do
    if redis.call('HEXISTS', key, hub) == 1 or redis.call('HLEN', key) < most then
        redis.call('HSET', key, hub, ARGV[2 * i + 2])
        redis.call('EXPIRE', key, ARGV[2 * i + 1])
        written = written + 1
    end
end
return written
