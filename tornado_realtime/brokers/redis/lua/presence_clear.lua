-- Take some users of a dead node off a channel's list.
--   KEYS  members, order, version, node
--   ARGV  command that publishes, topic, how many users, more or less
-- Returns how many are left.

local list = {
  members = KEYS[1], order = KEYS[2], version = KEYS[3], node = KEYS[4], command = ARGV[1], topic = ARGV[2],
}
redis.call('HDEL', list.node, '')
local cursor, done = '0', 0
repeat -- where some are gone already, a look finds nobody
  local found = redis.call('HSCAN', list.node, cursor, 'COUNT', ARGV[3])
  cursor = found[1]
  for place = 1, #found[2], 2 do
    change(list, found[2][place], 0)
    done = done + 1
  end
until cursor == '0' or done >= tonumber(ARGV[3])
return redis.call('HLEN', list.node)
