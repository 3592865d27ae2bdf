-- What the scripts about who is present share. All keys are of one channel; a channel's list is
--   members  hash: user -> "CONNECTIONS INFO", of all nodes together
--   order    sorted set of the users, all with the same score
--   version  one more with each change; it outlives the list for a while, so that it does not go back
--   node     hash, one for each node: user -> connections; "" -> the last step of that node

local FORGET_VERSION = 600000 -- milliseconds

-- Unix time in milliseconds.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The next version; of a list that nobody remembers one above all that it can have had.
local function advance(version)
  local number = redis.call('INCR', version)
  if number == 1 then
    local time = redis.call('TIME')
    number = time[1] * 1000000 + time[2]
    redis.call('SET', version, string.format('%.0f', number))
  end
  return number
end

-- What is known of a user: connections, and info.
local function known(members, user)
  local entry = redis.call('HGET', members, user)
  if not entry then
    return 0, 'null'
  end
  local space = string.find(entry, ' ', 1, true)
  return tonumber(string.sub(entry, 1, space - 1)), string.sub(entry, space + 1)
end

-- Let a node have so many connections of a user, and tell whoever listens what that changes; nothing, if
-- that is so already. Without info, what is known of the user stays.
local function change(list, user, conns, info)
  local before = tonumber(redis.call('HGET', list.node, user) or 0)
  local total, told = known(list.members, user)
  info = info or told
  if conns == before and (conns == 0 or info == told) then
    return
  end
  if conns > 0 then
    redis.call('HSET', list.node, user, conns)
  else
    redis.call('HDEL', list.node, user)
  end
  total = total - before + conns
  if total > 0 then
    redis.call('HSET', list.members, user, total .. ' ' .. info)
    redis.call('ZADD', list.order, 0, user)
  else
    redis.call('HDEL', list.members, user)
    redis.call('ZREM', list.order, user)
  end
  local count = redis.call('ZCARD', list.order)
  local number = advance(list.version)
  if count == 0 then
    redis.call('PEXPIRE', list.version, FORGET_VERSION)
  elseif count == 1 then
    redis.call('PERSIST', list.version)
  end
  local head = string.format('%.0f %d %d %d\n', number, count, total, #user)
  redis.call(list.command, list.topic, head .. user .. info)
end
