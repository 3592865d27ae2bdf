-- Publish on a plain channel unless it was published before under the same idempotency key.
--
-- KEYS[1] the idempotency key
-- ARGV    PUBLISH or SPUBLISH, topic, message, milliseconds that the key lives
-- Returns {0} or, for a key that was there, {1}.

if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[4]) then return {1} end
local heard = redis.pcall(ARGV[1], ARGV[2], ARGV[3])
if type(heard) == 'table' and heard.err then
  redis.call('DEL', KEYS[1])
  return heard
end
return {0}
