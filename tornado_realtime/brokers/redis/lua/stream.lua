-- What both scripts on a channel's stream begin with. Every step is atomic: Redis runs one script at a time.
--
-- KEYS[1] the stream: entry OFFSET-0 has m, the message, and t, its time in milliseconds. Offsets have no holes.
-- KEYS[2] the hash that says where it stands, and outlives the entries:
--         epoch, offset (of the newest entry ever), bytes (in the stream now),
--         server (the life of the Redis server in which the epoch began),
--         before (epochs of before, newest first, each "EPOCH OFFSET SERVER;": where it ended on this server)

local stream, meta = KEYS[1], KEYS[2]
local DAY = 86400000
local ANCESTORS = 8

local function digits(number)
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The epoch, the offset and the bytes; a new epoch where there is none.
-- A server that was restarted, or promoted, may lack the last entries of before, and would hand their offsets out
-- again: so each life of a server begins an epoch of its own. A life that is known is over, or goes on.
local function open(server, fresh)
  local found = redis.call('HMGET', meta, 'epoch', 'offset', 'bytes', 'server', 'before')
  local epoch, offset, before = found[1], tonumber(found[2] or 0), found[5] or ''
  if not epoch then
    redis.call('HSET', meta, 'epoch', fresh, 'offset', 0, 'bytes', 0, 'server', server, 'before', '')
    redis.call('DEL', stream)
    redis.call('PEXPIRE', meta, DAY)
    return fresh, 0, 0, ''
  end
  if server ~= '' and server ~= found[4] and not string.find(before, ' ' .. server .. ';', 1, true) then
    local kept = {epoch .. ' ' .. digits(offset) .. ' ' .. found[4] .. ';'}
    for ancestor in string.gmatch(before, '[^;]+;') do
      if #kept < ANCESTORS then kept[#kept + 1] = ancestor end
    end
    before = table.concat(kept)
    redis.call('HSET', meta, 'epoch', fresh, 'server', server, 'before', before)
    epoch = fresh
  end
  return epoch, offset, tonumber(found[3] or 0), before
end

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end
