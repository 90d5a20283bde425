-- Let messages of one budget through: at most so many in any window of time, over all hubs.
--
-- KEYS: the sorted set of what was let through, by when; the hash of its total and of the leases of hubs.
-- ARGV: the maximum, the window and the length of a lease in milliseconds, the total from which on somebody is warned,
--       who asks, how many it wants at once, "1" if fewer are of no use, and then, for what it has let through by its
--       lease, pairs of how many milliseconds ago and how many.
-- Returns: how many are granted, how many more the asker may let through by itself while its lease lasts, the total in
--          the window, how many the leases of others keep back, and in how many milliseconds there will be more: one,
--          or what is missing where fewer are of no use.
--
-- A lease is kept back from everybody else until its hub has told what it made of it, so hubs together never let too
-- many through; one whose hub has died runs out. What counts is when a message was let through, not when that was told.
local uses, state = KEYS[1], KEYS[2]
local maximum, window, lease_ms, mark = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local asker, wanted, is_whole = 'lease:' .. ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local SLICE, SHARE = 1000, 4
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local total, sequence, kept = 0, 0, 0

local fields = redis.call('HGETALL', state)
for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'total' then
        total = tonumber(value)
    elseif name == 'sequence' then
        sequence = tonumber(value)
    else
        local count, until_ms = string.match(value, '^(%d+) (%d+)$')
        if name == asker or tonumber(until_ms) <= now then
            redis.call('HDEL', state, name)
        else
            kept = kept + count
        end
    end
end

repeat
    local gone = redis.call('ZRANGEBYSCORE', uses, '-inf', now - window, 'LIMIT', 0, SLICE)
    for _, use in ipairs(gone) do
        total = total - string.match(use, '%d+$')
    end
    if #gone > 0 then
        redis.call('ZREMRANGEBYRANK', uses, 0, #gone - 1)
    end
until #gone < SLICE
if redis.call('EXISTS', uses) == 0 then
    total = 0
end

local function let_through(at, count)
    sequence = sequence + 1
    total = total + count
    redis.call('ZADD', uses, string.format('%.0f', at), string.format('%.0f %.0f', sequence, count))
end

for i = 8, #ARGV, 2 do
    local ago, count = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if ago < window then
        let_through(now - math.max(0, ago), count)
    end
end

local free = math.max(0, maximum - total - kept)
local granted = math.min(wanted, free)
if is_whole and granted < wanted then
    granted = 0
end
local leased = 0
if granted > 0 then
    let_through(now, granted)
    leased = math.floor((free - granted) / SHARE)
    if total + kept < mark then
        leased = math.min(leased, mark - 1 - total - kept)
    end
    if leased > 0 then
        redis.call('HSET', state, asker, string.format('%.0f %.0f', leased, now + lease_ms))
    end
end

redis.call('HSET', state, 'total', string.format('%.0f', total), 'sequence', string.format('%.0f', sequence))
redis.call('PEXPIRE', state, window + lease_ms)
redis.call('PEXPIRE', uses, window + lease_ms)

local missing, from, reset = is_whole and math.max(1, wanted - granted - free) or 1, 0, 0
repeat
    local oldest = redis.call('ZRANGE', uses, from, from + SLICE - 1, 'WITHSCORES')
    for i = 1, #oldest, 2 do
        missing = missing - string.match(oldest[i], '%d+$')
        reset = math.max(1, oldest[i + 1] + window - now)
        if missing <= 0 then
            break
        end
    end
    from = from + SLICE
until missing <= 0 or #oldest < 2 * SLICE
return {granted, leased, total, kept, reset}
