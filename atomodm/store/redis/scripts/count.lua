-- How many members an index, or the ids, have.
-- KEYS: meta, index or ids. ARGV: catalogue version or '', the number at which counting may stop or 0, then the bounds
-- of each range; all members are counted where there is none. Gives nothing for another version.
local call = redis.call
if ARGV[1] ~= '' and (call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then
  return false
end
if #ARGV == 2 then
  return call('ZCARD', KEYS[2])
end
local limit = tonumber(ARGV[2])
local found = 0
for i = 3, #ARGV, 2 do
  found = found + call('ZLEXCOUNT', KEYS[2], ARGV[i], ARGV[i + 1])
  if limit > 0 and found >= limit then
    break
  end
end
return found
