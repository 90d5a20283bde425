-- Let another service claim a resource next.
--
-- KEYS: the resource's hash. ARGV: the service that has it, the one that may claim it.
-- Returns: the service that has it, an empty string if none does; it was handed over only if that is the one that asked.
local owner = redis.call('HGET', KEYS[1], 'service')
if owner == ARGV[1] then
    redis.call('HSET', KEYS[1], 'heir', ARGV[2])
end
return owner or ''
