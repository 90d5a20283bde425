-- Read a part of a log, as many entries and bytes of it as are asked for.
--
-- KEYS: the stream.
-- ARGV: "oldest" or "newest" first, the first and the last position of the range, how many entries, and after how many
--       bytes no more are read.
-- Returns: 1 if that was the whole range, then for each entry its position, name and frame.
--
-- Reads 25 entries at a time: one may have a quarter of a megabyte.
local stream, newest = KEYS[1], ARGV[1] == 'newest'
local first, last = ARGV[2], ARGV[3]
local left, bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local reply = {0}
while left > 0 do
    local count = math.min(left, 25)
    local rows = newest and redis.call('XREVRANGE', stream, last, first, 'COUNT', count)
        or redis.call('XRANGE', stream, first, last, 'COUNT', count)
    for _, row in ipairs(rows) do
        if bytes <= 0 then
            return reply
        end
        local event, frame = '', ''
        for j = 1, #row[2], 2 do
            if row[2][j] == 'e' then
                event = row[2][j + 1]
            elseif row[2][j] == 'f' then
                frame = row[2][j + 1]
            end
        end
        bytes = bytes - #frame
        reply[#reply + 1] = row[1]
        reply[#reply + 1] = event
        reply[#reply + 1] = frame
    end
    if #rows < count then
        reply[1] = 1
        return reply
    end
    left = left - #rows
    if newest then
        last = '(' .. rows[#rows][1]
    else
        first = '(' .. rows[#rows][1]
    end
end
return reply
