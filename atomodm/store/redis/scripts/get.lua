-- Documents by their ids.
-- KEYS: meta, documents. ARGV: catalogue version or '', bytes that may be read, ids, at most 7000.
-- Gives the values, fewer than there are ids where that would be too many bytes; nothing for another version.
local call = redis.call
local meta = call('HMGET', KEYS[1], 'version', 'largest')
if ARGV[1] ~= '' and (meta[1] or '0') ~= ARGV[1] then
  return false
end
local last, documents = #ARGV, KEYS[2]
if last < 4 then
  return last == 3 and {call('HGET', documents, ARGV[3])} or {}
end
local bytes = tonumber(ARGV[2])
if (last - 2) * tonumber(meta[2] or 1) > bytes then
  -- Large documents are measured before they are read.
  local size = call('HSTRLEN', documents, ARGV[3])
  for i = 4, last do
    size = size + call('HSTRLEN', documents, ARGV[i])
    if size > bytes then
      last = i - 1
      break
    end
  end
end
return call('HMGET', documents, unpack(ARGV, 3, last))
