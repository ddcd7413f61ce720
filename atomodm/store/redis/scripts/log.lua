-- Commits of the change log.
-- KEYS: log, head. ARGV: the position after which commits are asked for, log positions after which the answer may end,
-- bytes of records after which it may end.
-- Gives for each commit its last position, size, operation id, origin, record; nothing where commits after the position
-- are gone, or the position never was.
local call = redis.call
local since = ARGV[1]
if since == (call('HGET', KEYS[2], 'position') or '0') then
  return {}
end
local limit, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local found, previous = {}, since
local start = since == '0' and '-' or '(' .. since .. '-0'
local positions, read, count = 0, 0, 8
while true do
  local entries = call('XRANGE', KEYS[1], start, '+', 'COUNT', count)
  for i = 1, #entries do
    local fields = entries[i][2]
    -- Each commit knows the position before it, so that nothing in between can be missing.
    if fields[10] ~= previous then
      return #found > 0 and found
    end
    previous = string.sub(entries[i][1], 1, -3)
    found[#found + 1] = {previous, fields[6], fields[2], fields[4], fields[8]}
    positions, read = positions + tonumber(fields[6]), read + #fields[8]
    if positions >= limit or read >= bytes then
      return found
    end
  end
  if #entries < count then
    break
  end
  start = '(' .. entries[count][1]
  count = 128
end
return #found > 0 and found
