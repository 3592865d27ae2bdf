-- Renew a node's lease, note on which channels it has members, and look for nodes whose lease ended.
--   KEYS  nodes (sorted set: node -> when its lease ends, Unix milliseconds), channels of the node (set)
--   ARGV  node, milliseconds, 1 for a new one and 0 for one that must be there, most dead ones; then channels
-- Returns when the lease ends, and the dead; 0 in place of both if it ended already: nothing is changed.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ARGV[3] == '0' and due <= now then
  return {0}
end
local ends = now + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], ends, ARGV[1])
for place = 5, #ARGV do
  redis.call('SADD', KEYS[2], ARGV[place])
end
return {ends, unpack(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4]))}
