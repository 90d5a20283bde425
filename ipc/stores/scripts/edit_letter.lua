-- Move a dead letter of a group into its own log with another frame, and keep the letter as it was.
--
-- KEYS: the stream of dead letters, the group's own log, the group's ledger, the stream of discarded letters.
-- ARGV: how many events the log may hold, how many entries the ledger and how many the discarded letters may have, the
--       letter's id, its new frame, who has changed it, and what is kept as the reason.
-- Returns: where the event is now; nothing if the letter is not there any more; "full" if the log has no room.
local letter = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4])[1]
if not letter then
    return false
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[1]) then
    return 'full'
end
local fields = {}
for i = 1, #letter[2], 2 do
    fields[letter[2][i]] = letter[2][i + 1]
end
local to = redis.call('XADD', KEYS[2], '*', 'e', fields.event, 'f', ARGV[5])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'm', fields.log .. ' ' .. fields.position .. ' ' .. to)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[3], '*',
    'letter', ARGV[4], 'by', ARGV[6], 'reason', ARGV[7], unpack(letter[2]))
redis.call('XDEL', KEYS[1], ARGV[4])
return to
