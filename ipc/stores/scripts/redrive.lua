-- Move dead letters of a group into its own log, to be delivered to it again.
--
-- KEYS: the stream of dead letters, the group's own log, the group's ledger, which is told where each letter went.
-- ARGV: how many events the log may hold, how many entries the ledger may have, then the letters' ids.
-- Returns: the ids that were moved; those that are not there any more, and those that the log has no room for, are not.
local room = ARGV[1] - redis.call('XLEN', KEYS[2])
local moved = {}
for i = 3, #ARGV do
    local letter = #moved < room and redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
    if letter then
        local fields = {}
        for j = 1, #letter[2], 2 do
            fields[letter[2][j]] = letter[2][j + 1]
        end
        local to = redis.call('XADD', KEYS[2], '*', 'e', fields.event, 'f', fields.frame)
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'm',
            fields.log .. ' ' .. fields.position .. ' ' .. to)
        redis.call('XDEL', KEYS[1], ARGV[i])
        moved[#moved + 1] = ARGV[i]
    end
end
return moved
