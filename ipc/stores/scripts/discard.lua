-- Delete dead letters of a group, and keep who did it, when and why.
--
-- KEYS: the stream of dead letters, the stream of discarded ones.
-- ARGV: how many discarded ones to keep, who, why, then the letters' ids.
-- Returns: the ids that were deleted; those that are not there any more are not.
local gone = {}
for i = 4, #ARGV do
    local letter = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
    if letter then
        redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*',
            'letter', ARGV[i], 'by', ARGV[2], 'reason', ARGV[3], unpack(letter[2]))
        redis.call('XDEL', KEYS[1], ARGV[i])
        gone[#gone + 1] = ARGV[i]
    end
end
return gone
