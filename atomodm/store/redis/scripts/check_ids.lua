-- Looks at some of a collection's ids: each must have a document.
-- KEYS: documents, ids. ARGV: the bound after which ids are looked at, how many, '1' to repair.
-- Gives the last id looked at, or nothing at the end, and how many have no document.
local call = redis.call
local ids = call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', '0', ARGV[2])
local orphans = 0
for i = 1, #ids do
  if call('HEXISTS', KEYS[1], ids[i]) == 0 then
    orphans = orphans + 1
    if ARGV[3] == '1' then
      call('ZREM', KEYS[2], ids[i])
    end
  end
end
-- What is added meanwhile is not waited for.
return {#ids == tonumber(ARGV[2]) and ids[#ids], orphans}
