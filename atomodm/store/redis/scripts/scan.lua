-- Entries of an index, or the ids themselves, in order, with their documents.
-- KEYS: meta, documents, ids or an index. ARGV: catalogue version or '', entries at most, bytes of documents at most,
-- 'ids' or 'entries', command, then the bounds of each range as the command takes them.
-- Gives the server's time in microseconds, members and documents, and 1 where the page ended for its bytes; nothing for another version.
local call, byte, sub = redis.call, string.byte, string.sub
local meta = call('HMGET', KEYS[1], 'version', 'largest')
if ARGV[1] ~= '' and (meta[1] or '0') ~= ARGV[1] then
  return false
end
local limit, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local source, command = KEYS[3], ARGV[5]
local members
for i = 6, #ARGV, 2 do
  if not members then
    members = call(command, source, ARGV[i], ARGV[i + 1], 'LIMIT', '0', ARGV[2])
  else
    local count = #members
    local found = call(command, source, ARGV[i], ARGV[i + 1], 'LIMIT', '0', limit - count)
    for j = 1, #found do
      members[count + j] = found[j]
    end
  end
  if #members >= limit then
    break
  end
end
local count = members and #members or 0
local time = call('TIME')
time = tonumber(time[1]) * 1000000 + tonumber(time[2])
if count == 0 then
  return {time, {}, {}}
end

local ids = members
if ARGV[4] == 'entries' then
  ids = {}
  for i = 1, count do
    local member = members[i]
    local length, after = byte(member, -1) or 0, 1
    if length == 255 and #member > 4 then
      local a, b, c, d = byte(member, -5, -2)
      length, after = ((a * 256 + b) * 256 + c) * 256 + d, 5
    end
    -- Nothing has an empty id: an entry that is none of ours has no document.
    ids[i] = length + after <= #member and sub(member, -after - length, -after - 1) or ''
  end
end

local documents = KEYS[2]
local ended
if count * tonumber(meta[2] or 1) > bytes then
  -- Large documents are measured before they are read.
  local size = 0
  for i = 1, count do
    size = size + call('HSTRLEN', documents, ids[i])
    if size >= bytes and i < count then
      count, ended = i, 1
      break
    end
  end
end
local part
if ended then
  part = {}
  for i = 1, count do
    part[i] = members[i]
  end
  members = part
end
if count <= 7000 then
  return {time, members, call('HMGET', documents, unpack(ids, 1, count)), ended}
end
local found = {}
for start = 1, count, 7000 do
  part = call('HMGET', documents, unpack(ids, start, math.min(count, start + 6999)))
  for i = 1, #part do
    found[start + i - 1] = part[i]
  end
end
return {time, members, found, ended}
