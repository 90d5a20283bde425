-- Take an instance from a resource, if its claim is still the one of the given session.
--
-- KEYS: the resource's hash. ARGV: the instance, its session.
-- Returns: 1 if it was taken out.
local claim = redis.call('HGET', KEYS[1], ARGV[1])
if not claim or not string.find(claim, ARGV[2], 1, true) then
    return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
