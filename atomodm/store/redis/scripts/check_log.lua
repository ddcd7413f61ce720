-- Looks at some of a change log: the operation id of each commit must be known.
-- KEYS: log, operations. ARGV: the stream id from which on commits are looked at, how many, '1' to repair.
-- Gives the last stream id looked at, or nothing at the end, and how many operation ids were missing.
local call = redis.call
local entries = call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local missing = 0
for i = 1, #entries do
  local operation = entries[i][2][2]
  if call('HGET', KEYS[2], operation) ~= entries[i][1] then
    missing = missing + 1
    if ARGV[3] == '1' then
      call('HSET', KEYS[2], operation, entries[i][1])
    end
  end
end
-- What is added meanwhile is not waited for.
return {#entries == tonumber(ARGV[2]) and entries[#entries][1], missing}
