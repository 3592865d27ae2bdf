-- A node has no members on some channels any longer.
--   KEYS  nodes, channels of the node
--   ARGV  node, 1 if it is dead; then channels
-- Returns how many channels are left; a dead node that has none is forgotten.

for place = 3, #ARGV do
  redis.call('SREM', KEYS[2], ARGV[place])
end
local left = redis.call('SCARD', KEYS[2])
if left == 0 and ARGV[2] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return left
