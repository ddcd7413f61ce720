-- Removes entries whose documents are gone, where they are still.
-- KEYS: documents, ids or an index. ARGV: the members, then the ids of their documents.
-- Gives how many entries it removed.
local call = redis.call
local count = #ARGV / 2
local removed = 0
for i = 1, count do
  if call('HEXISTS', KEYS[1], ARGV[count + i]) == 0 then
    removed = removed + call('ZREM', KEYS[2], ARGV[i])
  end
end
return removed
