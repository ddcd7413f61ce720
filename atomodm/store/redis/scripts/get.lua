-- Documents by their ids.
-- KEYS: meta, documents. ARGV: catalogue version or '', bytes that may be read, ids.
-- Gives the values, fewer than there are ids where that would be too many bytes; nothing for another version.
local call = redis.call
local meta = call('HMGET', KEYS[1], 'version', 'largest')
if ARGV[1] ~= '' and (meta[1] or '0') ~= ARGV[1] then
  return false
end
local last = #ARGV
if last < 4 then
  return last == 3 and {call('HGET', KEYS[2], ARGV[3])} or {}
end
local together = math.max(1, math.min(7000, math.floor(tonumber(ARGV[2]) / tonumber(meta[2] or 1))))
return call('HMGET', KEYS[2], unpack(ARGV, 3, math.min(last, 2 + together)))
