-- Entries of an index as they stand.
-- KEYS: meta, index. ARGV: catalogue version or '', entries at most, then the bounds of each range.
-- Gives the members; nothing for another version.
local call = redis.call
if ARGV[1] ~= '' and (call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then
  return false
end
local limit = tonumber(ARGV[2])
local members = {}
for i = 3, #ARGV, 2 do
  local count = #members
  if count >= limit then
    break
  end
  local found = call('ZRANGEBYLEX', KEYS[2], ARGV[i], ARGV[i + 1], 'LIMIT', '0', limit - count)
  if count == 0 then
    members = found
  else
    for j = 1, #found do
      members[count + j] = found[j]
    end
  end
end
return members
