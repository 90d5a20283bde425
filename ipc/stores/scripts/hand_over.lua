-- Leave pending entries of one consumer to whoever takes them over, each of them only if it is still pending there.
--
-- It does not count as a delivery (JUSTID).
--
-- KEYS: the log's stream. ARGV: the group, the consumer that stands for nobody, the one that has them, the positions.
-- Returns: the positions of those that were left. One that was trimmed is pending no more, and not among them.
local stream, group, nobody, owner = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local left = {}
for i = 4, #ARGV do
    if redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, owner)[1] then
        local position = redis.call('XCLAIM', stream, group, nobody, 0, ARGV[i], 'JUSTID')[1]
        if position then
            left[#left + 1] = position
        end
    end
end
return left
