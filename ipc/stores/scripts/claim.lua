-- Take pending entries of one consumer over, each of them only if it is still pending there.
--
-- KEYS: the log's stream. ARGV: the group, the consumer that takes over, the one that has them (it may be the same),
--       and the positions.
-- Returns: for each entry that was taken its position, its fields and how often it has been delivered, this one
--          included; then the positions of those that were trimmed, and so are pending no more.
local stream, group, taker, owner = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local claimed, trimmed = {}, {}
for i = 4, #ARGV do
    local pending = redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, owner)[1]
    if pending then
        local entry = redis.call('XCLAIM', stream, group, taker, 0, ARGV[i])[1]
        if entry then
            claimed[#claimed + 1] = {entry[1], entry[2], pending[4] + 1}
        else
            trimmed[#trimmed + 1] = ARGV[i]
        end
    end
end
return {claimed, trimmed}
