-- Whether a collection is rightly in the set of collections, or rightly not.
-- KEYS: the set, meta, documents. ARGV: name, '1' to repair.
-- Gives 1 where it is missing, -1 where there is no such collection, and else 0.
local call = redis.call
local listed, exists = call('SISMEMBER', KEYS[1], ARGV[1]), call('EXISTS', KEYS[2], KEYS[3]) > 0
if listed == 0 and exists then
  if ARGV[2] == '1' then
    call('SADD', KEYS[1], ARGV[1])
  end
  return 1
elseif listed == 1 and not exists then
  if ARGV[2] == '1' then
    call('SREM', KEYS[1], ARGV[1])
  end
  return -1
end
return 0
