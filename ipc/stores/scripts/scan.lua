-- Look for entries of a stream by what their fields say, without sending the entries.
--
-- KEYS: the stream.
-- ARGV: "oldest" or "newest" first, the first and the last position of the range, how many entries and how many bytes to
--       look at, how many matches to return, then for each condition its field, "=", "^" (begins with), "*" (contains) or
--       "!" (does not match, a pattern of Lua), and the text.
-- Returns: the last position looked at, how many were looked at, 1 if that was the whole range, then the matches.
--
-- Reads 25 entries at a time: one may have a quarter of a megabyte.
local stream, newest = KEYS[1], ARGV[1] == 'newest'
local first, last = ARGV[2], ARGV[3]
local left, bytes, room = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local looked, at, matches = 0, '', {}

local function fits(fields)
    if #ARGV < 7 then
        return false -- nothing is looked for: the entries are only counted
    end
    for i = 7, #ARGV, 3 do
        local text, found = ARGV[i + 2], false
        for j = 1, #fields, 2 do
            if fields[j] == ARGV[i] then
                local value = fields[j + 1]
                found = value == text or (ARGV[i + 1] == '^' and string.sub(value, 1, #text) == text)
                    or (ARGV[i + 1] == '*' and string.find(value, text, 1, true) ~= nil)
                    or (ARGV[i + 1] == '!' and string.find(value, text) == nil)
            end
        end
        if not found then
            return false
        end
    end
    return true
end

while left > 0 and bytes > 0 and #matches < room do
    local count = math.min(left, 25)
    local rows = newest and redis.call('XREVRANGE', stream, last, first, 'COUNT', count)
        or redis.call('XRANGE', stream, first, last, 'COUNT', count)
    for _, row in ipairs(rows) do
        looked, at = looked + 1, row[1]
        for j = 2, #row[2], 2 do
            bytes = bytes - #row[2][j]
        end
        if fits(row[2]) and #matches < room then
            matches[#matches + 1] = at
        end
    end
    if #rows < count then
        return {at, looked, 1, matches}
    end
    left = left - #rows
    if newest then
        last = '(' .. at
    else
        first = '(' .. at
    end
end
return {at, looked, 0, matches}
