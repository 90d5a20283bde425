-- Take note of instances of one service that are here, have left or have expired, and decide whether the service is there.
--
-- KEYS: the sorted set of its instances by when they expire, the hash of what each says of itself, the hash of the
--       service's state, the sorted set of changes that nobody has announced yet, by generation.
-- ARGV: what to do, milliseconds that an instance holds, milliseconds after which a service whose last instance has left
--       counts as gone; then
--   put: for each instance its name, "1" if this hub has written it before (else "0"), its session, and what it says;
--   remove: for each instance its name and the session that it had; one that has another by now stays;
--   sweep: "1" if instances that were not renewed are to be taken out, "0" if only those that left are to be looked at.
-- Returns: the changes that are to be announced, oldest first.
--
-- A generation is the time of a change by the clock of Redis, and always later than the one before, so it does not come
-- again when Redis has lost everything. Nothing is announced where the state is not known and an instance is only
-- renewed: then Redis has lost its data, and nothing has happened to the service.
local instances, about, service, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mode, ttl, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local KEPT, MANY = 7 * 86400000, 100
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HGET', service, 'state')

local function whole(number)
    return string.format('%.0f', number)
end

local function change(to, instance, reason)
    local before = redis.call('HGET', service, 'generation')
    local generation = before and math.max(before + 1, now) or now
    redis.call('HSET', service, 'state', to, 'generation', whole(generation))
    redis.call('HDEL', service, 'leaving')
    if reason then
        local text = '{"state":"' .. to .. '","generation":' .. whole(generation) .. ',"at_ms":' .. whole(now)
            .. ',"instance":' .. cjson.encode(instance) .. ',"reason":"' .. reason .. '"}'
        redis.call('ZADD', changes, generation, text)
        redis.call('ZREMRANGEBYRANK', changes, 0, -1 - MANY)
        redis.call('PEXPIRE', changes, KEPT)
    end
    state = to
end

if mode == 'put' then
    local renewed, newest = false, ARGV[4]
    for i = 4, #ARGV, 4 do
        redis.call('ZADD', instances, now + ttl, ARGV[i])
        redis.call('HSET', about, ARGV[i], ARGV[i + 2] .. ' ' .. ARGV[i + 3])
        renewed = renewed or ARGV[i + 1] == '1'
        newest = ARGV[i + 1] == '0' and ARGV[i] or newest
    end
    redis.call('HSET', service, 'last', newest)
    if state == 'online' then
        redis.call('HDEL', service, 'leaving')
    else
        change('online', newest, (state or not renewed) and 'joined')
    end
elseif mode == 'remove' then
    local gone = false
    for i = 4, #ARGV, 2 do
        local found = redis.call('HGET', about, ARGV[i])
        if not found and not state or found and string.match(found, '^%S+') == ARGV[i + 1] then
            redis.call('ZREM', instances, ARGV[i])
            redis.call('HDEL', about, ARGV[i])
            gone = ARGV[i]
        end
    end
    if gone and redis.call('ZCARD', instances) == 0 and state ~= 'offline' then
        redis.call('HSET', service, 'state', 'online', 'last', gone, 'leaving', whole(now + grace))
    end
else
    local expires = ARGV[4] == '1'
    if expires then
        for _, instance in ipairs(redis.call('ZRANGEBYSCORE', instances, '-inf', now)) do
            redis.call('ZREM', instances, instance)
            redis.call('HDEL', about, instance)
            redis.call('HSET', service, 'last', instance)
        end
    end
    if state == 'online' and redis.call('ZCARD', instances) == 0 then
        local leaving = redis.call('HGET', service, 'leaving')
        if leaving and now >= tonumber(leaving) then
            change('offline', redis.call('HGET', service, 'last') or '', 'left')
        elseif expires and not leaving then
            change('offline', redis.call('HGET', service, 'last') or '', 'expired')
        end
    end
end
if mode ~= 'sweep' then
    -- Kept for longer than an instance holds, so that a sweep finds what has expired.
    redis.call('PEXPIRE', instances, 10 * ttl)
    redis.call('PEXPIRE', about, 10 * ttl)
    redis.call('PEXPIRE', service, KEPT)
end
return redis.call('ZRANGE', changes, 0, -1)
