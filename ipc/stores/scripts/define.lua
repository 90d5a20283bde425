-- Say what a group wants at a hub, by the clock of Redis, and forget what no hub has said for two days.
--
-- KEYS: the hash that describes the group. ARGV: the definition.
local KEPT, MANY = 2 * 86400000, 32
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'def ' .. ARGV[1], string.format('%.0f', now))
if redis.call('HLEN', KEYS[1]) > MANY then
    local fields = redis.call('HGETALL', KEYS[1])
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 4) == 'def ' and tonumber(fields[i + 1]) < now - KEPT then
            redis.call('HDEL', KEYS[1], fields[i])
        end
    end
end
