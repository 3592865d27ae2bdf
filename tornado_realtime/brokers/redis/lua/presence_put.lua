-- Say how many connections a node has of some users.
--   KEYS  members, order, version, node
--   ARGV  command that publishes, topic, when the node's lease ends at the latest (Unix milliseconds),
--         number of the step, milliseconds for which it is remembered; then user, connections, info of each
-- Returns 1; -1 if the lease may have ended, 0 if a later step of the node was made already: nothing is changed.

local list = {
  members = KEYS[1], order = KEYS[2], version = KEYS[3], node = KEYS[4], command = ARGV[1], topic = ARGV[2],
}
if clock() >= tonumber(ARGV[3]) then
  return -1
end
if tonumber(ARGV[4]) <= tonumber(redis.call('HGET', list.node, '') or 0) then
  return 0
end
redis.call('HSET', list.node, '', ARGV[4])
for place = 6, #ARGV, 3 do
  local conns = tonumber(ARGV[place + 1])
  -- Who leaves here may be present elsewhere, and what is known of it stays.
  change(list, ARGV[place], conns, conns > 0 and ARGV[place + 2] or nil)
end
if redis.call('HLEN', list.node) == 1 then
  redis.call('PEXPIRE', list.node, ARGV[5])
else
  redis.call('PERSIST', list.node)
end
return 1
