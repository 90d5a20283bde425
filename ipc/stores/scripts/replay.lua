-- Put a step of a replay into the own log of its group, if the replay is where whoever asks thinks it is.
--
-- KEYS: the group's own log, the hash of the replay.
-- ARGV: how many events the log may hold, the replay's id, where it was read from, where it was read to, the state that
--       it has afterwards, how many events were looked at, the time in Unix milliseconds, then for each event its
--       position in the log it is from, how many were looked at up to there, its name and its frame.
-- Returns: 1 if the step was made, 0 if the replay is another one, elsewhere or not running any more.
--
-- As many events as the log has room for are put there, and then the replay stands at the last of them.
local said = redis.call('HMGET', KEYS[2], 'id', 'cursor', 'state')
if said[1] ~= ARGV[2] or said[2] ~= ARGV[3] or said[3] ~= 'running' then
    return 0
end
local room = ARGV[1] - redis.call('XLEN', KEYS[1])
local cursor, state, looked, moved = ARGV[4], ARGV[5], tonumber(ARGV[6]), 0
for i = 8, #ARGV, 4 do
    if moved >= room then
        -- What was looked at and not put there is looked at again.
        cursor, state, looked = ARGV[3], 'running', 0
        if moved > 0 then
            cursor, looked = ARGV[i - 4], tonumber(ARGV[i - 3])
        end
        break
    end
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[i + 2], 'f', ARGV[i + 3])
    moved = moved + 1
end
redis.call('HSET', KEYS[2], 'cursor', cursor, 'state', state, 'changed_ms', ARGV[7])
redis.call('HINCRBY', KEYS[2], 'moved', moved)
redis.call('HINCRBY', KEYS[2], 'looked', looked)
return 1
