-- Append one publication to its channel's stream and publish it, or do nothing at all.
--
-- KEYS[3] the idempotency key, where there is one.
-- ARGV    server, fresh epoch; message; entries, milliseconds, bytes to keep; PUBLISH or SPUBLISH, topic, kind of
--         the head; milliseconds that the idempotency key lives; the copy's topic and message, where there is one.
-- Returns {0, position, milliseconds} or, for a key that was there, {1, position}.

local MONTH = 30 * DAY
local AT_ONCE = 64 -- entries that one publication trims at most: what is to be kept may shrink from one to the next
local AT_ONCE_BYTES = 1048576

local server, fresh, message = ARGV[1], ARGV[2], ARGV[3]
local entries, age, size = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local verb, topic, kind, copy_topic = ARGV[7], ARGV[8], ARGV[9], ARGV[11]

if KEYS[3] then
  local position = redis.call('GET', KEYS[3])
  if position then
    -- Something is written here, too: who waits for replicas waits for what is written over its own connection.
    redis.call('PEXPIRE', KEYS[3], ARGV[10])
    return {1, position}
  end
end

local epoch, last, before = open(server, fresh)
local now, offset = clock(), last + 1
local id, position = digits(offset) .. '-0', epoch .. ' ' .. digits(offset)
local bytes = before + #message

-- What is nice to have once the publication is out, whatever Redis says.
local function try(...)
  local reply = redis.pcall(...)
  return not failed(reply) and reply or nil
end

local function append()
  return redis.pcall('XADD', stream, id, 'm', message, 't', digits(now))
end

local function undo()
  try('HSET', meta, 'offset', digits(last), 'bytes', digits(before))
  if KEYS[3] then try('DEL', KEYS[3]) end
end

-- The first thing that is written, so what Redis has against writing it says here.
local counted = redis.pcall('HSET', meta, 'offset', digits(offset), 'bytes', digits(bytes))
if failed(counted) then return counted end
local noted = KEYS[3] and redis.pcall('SET', KEYS[3], position, 'PX', ARGV[10])
local added = failed(noted) and noted or append()
if failed(added) and string.find(added.err, 'equal or smaller', 1, true) then
  try('DEL', stream) -- somebody else wrote there
  added = append()
end
if failed(added) then
  undo()
  return added
end

local head = kind .. ' ' .. position .. ' ' .. digits(now) .. '\n'
local heard = redis.pcall(verb, topic, head .. message)
if failed(heard) then -- the rights to the topic are missing: nobody got it, so it never was
  try('XDEL', stream, id)
  if try('XLEN', stream) == 0 then
    try('DEL', stream)
  else
    try('XSETID', stream, digits(last) .. '-0')
  end
  undo()
  return heard
end
if copy_topic then try('PUBLISH', copy_topic, ARGV[12]) end

local length = try('XLEN', stream) or 0
if length == 1 then bytes = #message end -- those of before ran out, and took their bytes along
local kept, least = length, bytes - AT_ONCE_BYTES
for _ = 1, AT_ONCE do
  local oldest = digits(offset - kept + 1) .. '-0'
  local entry = (try('XRANGE', stream, oldest, oldest) or {})[1]
  local stays = entry and kept <= entries and bytes <= size and tonumber(entry[2][4]) >= now - age
  if stays or kept == 0 or bytes < least then break end
  bytes = bytes - (entry and #entry[2][2] or 0)
  kept = kept - 1
end
if kept < length then try('XTRIM', stream, 'MAXLEN', kept) end
if bytes ~= before + #message then try('HSET', meta, 'bytes', digits(bytes)) end
try('PEXPIRE', stream, age)
try('PEXPIRE', meta, age + MONTH)
return {0, position, now}
