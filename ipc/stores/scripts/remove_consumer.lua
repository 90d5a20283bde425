-- Delete a consumer of a group, unless something is pending at it: that would be deleted with it.
--
-- KEYS: the log's stream. ARGV: the group, the consumer.
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
