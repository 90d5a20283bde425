-- Count what the groups on one log have lost to its trimming, each event once however often this runs.
--
-- KEYS: the log's stream, the hash of losses: <group> has how many in all, <group>|upto what was counted already.
-- Returns: for each group that has lost more since the last count, its name and how many.
--
-- Redis numbers the entries of a stream: entries-added and entries-read (XINFO STREAM, XINFO GROUPS). A group created
-- in the middle of a log has no number until it has read to the end; one that is near the end is given its number here.
local NEAR = 1000
if redis.call('EXISTS', KEYS[1]) == 0 then
    return {}
end
local function map(flat)
    local found = {}
    for i = 1, #flat, 2 do
        found[flat[i]] = flat[i + 1]
    end
    return found
end
local stream = map(redis.call('XINFO', 'STREAM', KEYS[1]))
local added = stream['entries-added']
local trimmed = added - stream['length']
local known, newly = {}, {}
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = map(flat)
    local name, read, last = group['name'], group['entries-read'], group['last-delivered-id']
    known[name], known[name .. '|upto'] = true, true
    if not read then
        local after = #redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', NEAR)
        if after < NEAR and after < stream['length'] then
            read = added - after
            redis.call('XGROUP', 'SETID', KEYS[1], name, last, 'ENTRIESREAD', read)
        end
    end
    local upto = tonumber(redis.call('HGET', KEYS[2], name .. '|upto') or '')
    if not read and last == '0-0' then
        -- It has read nothing; what was gone when it was first seen here, it was never promised.
        read = 0
        if not upto then
            upto = trimmed
            redis.call('HSET', KEYS[2], name .. '|upto', trimmed)
        end
    end
    if read then
        local lost = trimmed - math.max(read, upto or 0)
        if lost > 0 then
            redis.call('HINCRBY', KEYS[2], name, lost)
            redis.call('HSET', KEYS[2], name .. '|upto', trimmed)
            newly[#newly + 1] = name
            newly[#newly + 1] = lost
        end
    end
end
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
    if not known[name] then
        redis.call('HDEL', KEYS[2], name)
    end
end
return newly
