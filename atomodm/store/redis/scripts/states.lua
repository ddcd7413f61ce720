-- What there is of collections as wholes.
-- KEYS: the set of collections where they must be all that there are, then meta and ids of each collection.
-- ARGV: 'all' and their names, or nothing.
-- Gives the server's time in microseconds, and for each collection version, catalogue and number of documents; nothing
-- where the set has others.
local call = redis.call
local first = 1
if ARGV[1] == 'all' then
  first = 2
  if call('SCARD', KEYS[1]) ~= #ARGV - 1 then
    return false
  end
  for i = 2, #ARGV do
    if call('SISMEMBER', KEYS[1], ARGV[i]) == 0 then
      return false
    end
  end
end
local time = call('TIME')
local found = {tonumber(time[1]) * 1000000 + tonumber(time[2])}
for i = first, #KEYS, 2 do
  local meta = call('HMGET', KEYS[i], 'version', 'catalogue')
  found[#found + 1] = {meta[1], meta[2], call('ZCARD', KEYS[i + 1])}
end
return found
