-- Append a batch of events to one log, and drop repeats of an emitter's id.
--
-- KEYS: the log's stream, the key of its last position.
-- ARGV: length cap, milliseconds to remember ids, what the keys of remembered ids start with, and the events as
--       MessagePack: an array of [id to remember or "", name, frame].
-- Returns: the last position before the batch ("0-0" when there was none), then for each event its position, with a
--          "=" before the position of an event that was appended earlier; all divided by spaces.
--
-- The first entry of a batch keeps the position before it in ``p``. Those after it have the next sequence number of the
-- same millisecond, so the oldest entry that is left tells up to where events were trimmed.
-- Ids are remembered in hashes, each for a window of half that time, from id to position: what may be asked for is in
-- this window and the two before. A key for each id cost Redis half as much again for the whole append.
-- One packed argument and one packed answer cost the client a third of what an argument for each field does.
-- The keys of remembered ids carry the log's hash tag, so they live in the same slot as KEYS.
local SLICE = 1000 -- Lua hands over a few thousand arguments at most
local stream, last = KEYS[1], KEYS[2]
local maxlen, remember_ms, seen = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local events = cmsgpack.unpack(ARGV[4])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local width_ms = remember_ms / 2
local window = math.floor(now_ms / width_ms)

local ids, first = {}, {}
for _, event in ipairs(events) do
    if event[1] ~= '' then
        ids[#ids + 1] = event[1]
    end
end
for from = 1, #ids, SLICE do
    local to = math.min(from + SLICE - 1, #ids)
    for age = 0, 2 do
        for i, position in ipairs(redis.call('HMGET', seen .. window - age, unpack(ids, from, to))) do
            if position and tonumber(string.match(position, '^%d+')) + remember_ms > now_ms then
                first[ids[from + i - 1]] = position
            end
        end
    end
end

local before = redis.call('GET', last) or '0-0'
local position = before
local reply, new = {before}, {}
for i, event in ipairs(events) do
    local id = event[1]
    if first[id] then
        reply[i + 1] = '=' .. first[id]
    else
        if position == before then
            position = redis.call('XADD', stream, '*', 'e', event[2], 'f', event[3], 'p', before)
        else
            position = redis.call('XADD', stream, '*', 'e', event[2], 'f', event[3])
        end
        reply[i + 1] = position
        if id ~= '' then
            first[id] = position
            new[#new + 1] = id
            new[#new + 1] = position
        end
    end
end
if position ~= before then
    redis.call('SET', last, position)
    redis.call('XTRIM', stream, 'MAXLEN', '~', maxlen)
end
if #new > 0 then
    local key = seen .. window
    if redis.call('EXISTS', key) == 0 then
        redis.call('HSET', key, new[1], new[2])
        redis.call('PEXPIREAT', key, (window + 2) * width_ms + remember_ms)
        -- Unlinked, a large hash is freed beside the work; a key that expires may be freed in the middle of it.
        redis.call('UNLINK', seen .. window - 3)
    end
    for from = 1, #new, SLICE do
        redis.call('HSET', key, unpack(new, from, math.min(from + SLICE - 1, #new)))
    end
end
return table.concat(reply, ' ')
