-- Looks at some of a collection's documents: each must be among the ids, and none larger than is said of them.
-- KEYS: documents, ids, meta. ARGV: cursor, how many documents about, bytes of documents about, '1' to repair.
-- Gives the next cursor, how many ids were missing, how many documents are damaged, how many larger.
local call = redis.call
local largest = tonumber(call('HGET', KEYS[3], 'largest') or 1)
local count = math.max(1, math.min(tonumber(ARGV[2]), math.floor(tonumber(ARGV[3]) / largest)))
local reply = call('HSCAN', KEYS[1], ARGV[1], 'COUNT', count)
local fields = reply[2]
local missing, damaged, larger, needed = 0, 0, 0, largest
for i = 1, #fields, 2 do
  local size = #fields[i + 1]
  if size < 8 then
    damaged = damaged + 1
  end
  if size > largest then
    larger, needed = larger + 1, math.max(needed, size)
  end
  if not call('ZSCORE', KEYS[2], fields[i]) then
    missing = missing + 1
    if ARGV[4] == '1' then
      call('ZADD', KEYS[2], '0', fields[i])
    end
  end
end
if ARGV[4] == '1' and larger > 0 then
  call('HSET', KEYS[3], 'largest', needed)
end
return {reply[1], missing, damaged, larger}
