-- Looks at the keys of a collection as a whole.
-- KEYS: meta, documents, ids, indexes. ARGV: '1' to repair, the collection's name, the numbers of the indexes.
-- Gives whether there is anything of the collection, and how many indexes were never made.
local call = redis.call
local highest = tonumber(call('HGET', KEYS[1], 'highest') or 0)
local exists = call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0
if exists and ARGV[1] == '1' then
  call('HSETNX', KEYS[1], 'name', ARGV[2])
end
local stray = 0
for i = 4, #KEYS do
  if tonumber(ARGV[i - 1]) > highest and call('EXISTS', KEYS[i]) == 1 then
    stray = stray + 1
    if ARGV[1] == '1' then
      call('UNLINK', KEYS[i])
    end
  end
end
return {exists and 1 or 0, stray}
