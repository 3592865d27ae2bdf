-- One page of a channel's list.
--   KEYS  members, order, version
--   ARGV  the user after whom it begins, empty for the first; how many users
-- Returns the version, how many are present, 1 if others come behind the page, and each user with its entry.

local STRIDE = 1000 -- keys in one command

local limit = tonumber(ARGV[2])
local first = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local users = redis.call('ZRANGEBYLEX', KEYS[2], first, '+', 'LIMIT', 0, limit + 1)
local more = #users > limit and 1 or 0
local page = {redis.call('GET', KEYS[3]) or '0', redis.call('ZCARD', KEYS[2]), more}
for start = 1, #users - more, STRIDE do
  local stop = math.min(start + STRIDE - 1, #users - more)
  local entries = redis.call('HMGET', KEYS[1], unpack(users, start, stop))
  for place = 1, #entries do
    page[#page + 1] = users[start + place - 1]
    page[#page + 1] = entries[place]
  end
end
return page
