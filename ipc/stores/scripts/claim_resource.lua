-- Let an instance serve a resource, unless another service does.
--
-- KEYS: the resource's hash. ARGV: the service, the instance, what others need to know of it, milliseconds that this holds.
-- Returns: the service that the resource belongs to now: another than the one that asked if the claim was refused.
--
-- The hash has ``service``, ``heir`` (the service that may claim it next), and a field for each instance: the time of
-- its claim by the clock of Redis, a space, and what it said. Claims that were not renewed count as gone.
local key, service, instance = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, live = false, false
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
    if fields[i] == 'service' then
        owner = fields[i + 1]
    elseif fields[i] ~= 'heir' then
        if tonumber(string.match(fields[i + 1], '^%d+')) > now - ARGV[4] then
            live = true
        else
            -- Of an instance that was killed: others may keep the hash alive for ever.
            redis.call('HDEL', key, fields[i])
        end
    end
end
if owner and owner ~= service then
    if live and redis.call('HGET', key, 'heir') ~= service then
        return owner
    end
    redis.call('DEL', key)
end
redis.call('HSET', key, 'service', service, instance, string.format('%.0f', now) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', key, ARGV[4])
return service
