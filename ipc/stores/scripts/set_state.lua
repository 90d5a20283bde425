-- Write the state of a token if it is as expected.
--
-- KEYS: the state. ARGV: for how many milliseconds, the value, and what is expected; without that, nothing is.
-- Returns: 1 if it was written.
local found = redis.call('GET', KEYS[1])
if found ~= (ARGV[3] or false) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return 1
