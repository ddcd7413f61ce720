-- Compares what is known of a log as a whole with its first and its last commit.
-- KEYS: log, head. ARGV: '1' to repair.
-- Gives whether something is wrong.
local call = redis.call
local newest = call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')[1]
local oldest = call('XRANGE', KEYS[1], '-', '+', 'COUNT', '1')[1]
if not newest then
  return 0
end
local head = call('HMGET', KEYS[2], 'position', 'total', 'oldest')
local last = string.sub(newest[1], 1, -3)
local position, total = tonumber(head[1] or 0), tonumber(head[2] or 0)
-- Where trimming is under way, the oldest commit that is known is one that has just gone.
local trimmed = head[3] and tonumber(head[3]) <= tonumber(oldest[2][12])
if position >= tonumber(last) and total >= tonumber(newest[2][12]) and trimmed then
  return 0
end
if ARGV[1] == '1' then
  call('HSET', KEYS[2], 'position', math.max(position, tonumber(last)),
    'total', math.max(total, tonumber(newest[2][12])), 'oldest', oldest[2][12])
end
return 1
