-- Read a channel's stream.
--
-- ARGV    server, fresh epoch; milliseconds that entries live; what to read: what came after an epoch and an offset,
--         or the newest where the epoch is empty, so many, or all; entries at most; 1 for the newest first, and then
--         what came before that place; bytes at most, after which no more are added; 1 if a server keeps over its
--         lives all that it acknowledged.
-- Returns {position, complete, more, {message, offset, milliseconds, ...}}; not complete where that place is not known,
--         or what came after it is not all there.

local CHUNK = 16 -- entries that are looked at together, so that the bound in bytes is not passed by far

local server, fresh, age = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known, number = ARGV[4], tonumber(ARGV[5])
local limit, backwards, size, lasting = tonumber(ARGV[6]), ARGV[7] == '1', tonumber(ARGV[8]), ARGV[9] == '1'

local epoch, offset, _, before = open(server, fresh)

local function id(number)
  return digits(number) .. '-0'
end

-- The oldest that is still to be handed out: what is too old may be there until the next publication trims it.
local function oldest()
  local cut = clock() - age
  local function lives(number)
    local entry = redis.call('XRANGE', stream, id(number), id(number))[1]
    return entry and tonumber(entry[2][4]) >= cut
  end
  local low, high = offset - redis.call('XLEN', stream) + 1, offset + 1
  if low < high and lives(low) then return low end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if lives(middle) then high = middle else low = middle + 1 end
  end
  return low
end

-- Where what came after that place begins, and whether it is all there.
local function after()
  if known == epoch then return math.min(number, offset), number <= offset end
  for ancestor, ended in string.gmatch(before, '(%S+) (%d+) [^;]*;') do
    ended = tonumber(ended)
    -- What somebody has beyond that was not acknowledged, where servers keep what was.
    if ancestor == known then return math.min(number, ended), lasting end
  end
  return 0, false
end

local first, last, complete = oldest(), offset, true
if known ~= '' then
  local start
  start, complete = after()
  if backwards then
    last = complete and number - 1 or 0
  elseif start < first - 1 then
    complete = false
  else
    first = start + 1
  end
elseif number then
  first = math.max(first, offset - number + 1)
end

local items, count, bytes = {}, 0, 0
while count < limit and bytes < size and first <= last do
  local chunk = math.min(CHUNK, limit - count)
  local entries
  if backwards then
    entries = redis.call('XREVRANGE', stream, id(last), id(first), 'COUNT', chunk)
  else
    entries = redis.call('XRANGE', stream, id(first), id(last), 'COUNT', chunk)
  end
  if #entries == 0 then
    last = first - 1 -- somebody else removed them
    break
  end
  for _, entry in ipairs(entries) do
    if bytes >= size then break end
    local place = tonumber(string.match(entry[1], '^%d+'))
    items[#items + 1] = entry[2][2]
    items[#items + 1] = place
    items[#items + 1] = tonumber(entry[2][4])
    count, bytes = count + 1, bytes + #entry[2][2]
    if backwards then last = place - 1 else first = place + 1 end
  end
end
local more = first <= last and 1 or 0
return {epoch .. ' ' .. digits(offset), complete and 1 or 0, more, items}
