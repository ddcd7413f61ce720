-- Applies a commit, all or nothing: everything is read and checked before the first write.
--
-- KEYS: log, operations, head, on a single server the set of collections, then for each collection meta, documents,
-- ids and indexes.
-- ARGV: a header, operation id, origin, record, then for each collection a header, version, name, catalogue, expected
-- revisions, offsets, groups of entries, then the ids that the commit inserts, updates, deletes and guards, the
-- documents of those that it inserts and updates, and the entries of the groups. `writing.py` says it in detail.
--
-- Gives {'applied', first position, dropped documents, server's time in microseconds}, or why nothing was done:
-- {'former', first, record}, {'stale', name}, {'mismatched', name, id, ...}, {'taken', name, index, id, ...},
-- {'unregistered', name, ...}, {'indexes', name, highest, ...}.
local call, unpack, pack, open = redis.call, unpack, struct.pack, struct.unpack
local sub, byte, format = string.sub, string.byte, string.format
local min, max, floor = math.min, math.max, math.floor
local AT_ONCE = 7000
local ABSENT = '\0\0\0\0\0\0\0\0'
local CLEARED, REMOVED, ADDED, RELEASED, CLAIMED = 0, 1, 2, 3, 4

local collections, logged, registry, registered, grows, size, keep = open('>BBBBBI4I8', ARGV[1])
local operation = ARGV[2]

-- -- what is asked for ------------------------------------------------------------------------------------------------

local parts = {}
do
  local key, at = 4 + registry, 5
  for c = 1, collections do
    local indexes, inserts, updates, deletes, guards, groups, fate, renamed, highest, largest =
      open('>I4I4I4I4I4I4BI4I4I4', ARGV[at])
    local row = at + 7
    local document = row + inserts + updates + deletes + guards
    local part = {
      version = ARGV[at + 1], name = ARGV[at + 2], catalogue = ARGV[at + 3],
      expected = ARGV[at + 4], offsets = ARGV[at + 5],
      meta = KEYS[key], documents = KEYS[key + 1], ids = KEYS[key + 2],
      first_index = key + 3, indexes = indexes,
      inserts = inserts, puts = inserts + updates, deletes = deletes,
      row = row, document = document,
      -- 1: the collection goes; 2: another one takes its name; 3: both.
      dropped = fate % 2 == 1, replaced = fate >= 2, renamed = renamed, whole = fate > 0 or renamed > 0,
      highest = highest, largest = largest,
    }
    local following = document + inserts + updates
    local described, place = ARGV[at + 6], 1
    for g = 1, groups do
      local kind, number, index, count
      kind, number, index, count, place = open('>BI4I4I4', described, place)
      part[g] = {
        kind = kind, number = number, key = KEYS[key + 2 + index], first = following, last = following + count - 1,
      }
      following = following + count
    end
    at = following
    key = key + 3 + indexes
    parts[c] = part
  end
end

-- -- checking ---------------------------------------------------------------------------------------------------------

if logged == 1 then
  local id = call('HGET', KEYS[2], operation)
  if id then
    local found = call('XRANGE', KEYS[1], id, id)[1]
    if found then
      local fields = found[2]
      return {'former', tonumber(sub(id, 1, -3)) - tonumber(fields[6]) + 1, fields[8]}
    end
  end
end

local unregistered, unknown = {'unregistered'}, {'indexes'}
for c = 1, collections do
  local part = parts[c]
  local meta = call('HMGET', part.meta, 'version', 'name', 'highest', 'largest')
  if part.version ~= '' and (meta[1] or '0') ~= part.version then
    return {'stale', part.name}
  end
  part.exists, part.known_highest, part.known_largest = meta[2], tonumber(meta[3] or 0), tonumber(meta[4] or 1)
  if part.whole and 2 * part.known_highest > part.indexes then
    unknown[#unknown + 1] = part.name
    unknown[#unknown + 1] = part.known_highest
  end
  if not part.exists and (part.inserts > 0 or part.catalogue ~= '' or part.highest > 0) then
    part.created = true
    if registered == 0 and registry == 0 then
      unregistered[#unregistered + 1] = part.name
    end
  end
end
if #unregistered > 1 then
  return unregistered
end
if #unknown > 1 then
  return unknown
end

local mismatched = {'mismatched'}
for c = 1, collections do
  local part = parts[c]
  if part.document > part.row then
    -- Only revisions are wanted, but there is no way to read the beginning of a value.
    local together = max(1, min(AT_ONCE, floor(67108864 / part.known_largest)))
    local expected, place = part.expected, 1
    local last = part.document - 1
    for start = part.row, last, together do
      local stop = min(last, start + together - 1)
      local found = call('HMGET', part.documents, unpack(ARGV, start, stop))
      for i = 1, stop - start + 1 do
        local value = found[i]
        if (value and sub(value, 1, 8) or ABSENT) ~= sub(expected, place, place + 7) then
          mismatched[#mismatched + 1] = part.name
          mismatched[#mismatched + 1] = ARGV[start + i - 1]
        end
        place = place + 8
      end
    end
  end
  -- A key of another type must be met before anything is written.
  if registry == 1 and (part.created or part.whole) then
    call('SCARD', KEYS[4])
  end
  if part.inserts + part.deletes > 0 or part.whole then
    part.count = call('ZCARD', part.ids)
  end
  if part.whole then
    call('HLEN', part.documents)
    for i = part.first_index, part.first_index + part.indexes - 1 do
      call('ZCARD', KEYS[i])
    end
  else
    for g = 1, #part do
      call('ZCARD', part[g].key)
    end
  end
end
if #mismatched > 1 then
  return mismatched
end

-- The key and the id in an index entry; an entry that is none of ours has an id that no document has.
local function split(entry)
  local length, after = byte(entry, -1) or 0, 1
  if length == 255 and #entry > 4 then
    length, after = open('>I4', sub(entry, -5)), 5
  end
  if length + after > #entry then
    return entry, ''
  end
  return sub(entry, 1, -after - length - 1), sub(entry, -after - length, -after - 1)
end

local taken, orphans = {'taken'}, {}
for c = 1, collections do
  local part = parts[c]
  for g = 1, #part do
    local group = part[g]
    if group.kind == CLAIMED then
      local released, owners, empty = {}, {}, false
      for h = 1, #part do
        local other = part[h]
        if other.key == group.key then
          empty = empty or other.kind == CLEARED
          if other.kind == RELEASED then
            for i = other.first, other.last do
              released[ARGV[i]] = true
            end
          end
        end
      end
      for i = group.first, group.last do
        local entry = ARGV[i]
        local key, id = split(entry)
        local owner = owners[key]
        if not owner and not empty then
          local found = call('ZRANGEBYLEX', group.key, '[' .. key, '(' .. key .. '\255', 'LIMIT', '0', '8')
          for j = 1, #found do
            if found[j] == entry then
              owner = entry
            elseif not released[found[j]] then
              local _, other = split(found[j])
              if call('HEXISTS', part.documents, other) == 1 then
                owner = found[j]
                break
              end
              -- Its document was removed by hand: nobody has the key.
              orphans[#orphans + 1] = {group.key, found[j]}
            end
          end
        end
        if owner and owner ~= entry then
          local count = #taken
          taken[count + 1], taken[count + 2], taken[count + 3] = part.name, group.number, id
        else
          owners[key] = entry
        end
      end
    end
  end
end
if #taken > 1 then
  return taken
end

for c = 1, collections do
  local part = parts[c]
  if part.renamed > 0 then
    local target = parts[part.renamed]
    if not part.exists or (target.count > 0 and not target.dropped) then
      return {'stale', part.name}
    end
  end
end

local time = call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local position, total, oldest = 0, 0, nil
do
  local head = call('HMGET', KEYS[3], 'position', 'total', 'oldest')
  if head[1] then
    position, total, oldest = tonumber(head[1]), tonumber(head[2]), tonumber(head[3])
  end
  if not head[1] or grows == 0 then
    local newest = call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')[1]
    if newest then
      local last = tonumber(sub(newest[1], 1, -3))
      if last > position then
        position, total, oldest = last, max(total, tonumber(newest[2][12])), oldest or 0
      end
    end
  end
end
-- Ahead of all revisions that there ever were, also of those that a failover or a restart lost.
local first = max(position + 1, now)

-- -- writing: nothing from here on can fail ---------------------------------------------------------------------------

local function append()
  if logged == 0 then
    return
  end
  -- This one comes first because it is refused where memory is short, or where the log has a later entry.
  local last = first + size - 1
  local id = format('%.0f-0', last)
  local logged_before = total
  total = total + size
  call('XADD', KEYS[1], id, 'operation', operation, 'origin', ARGV[3], 'size', size, 'record', ARGV[4],
    'previous', position, 'total', total)
  call('HSET', KEYS[2], operation, id)
  if oldest and oldest <= logged_before - keep - floor(keep / 16) then
    -- Some at a time; the next commits go on.
    local bound = logged_before - keep
    local start = '-'
    for round = 1, 8 do
      local entries = call('XRANGE', KEYS[1], start, '+', 'COUNT', '8')
      local gone, kept = {}, nil
      for i = 1, #entries do
        local reached = tonumber(entries[i][2][12])
        if reached > bound then
          kept, oldest = entries[i][1], reached
          break
        end
        gone[i] = entries[i][2][2]
        oldest = reached
        start = '(' .. entries[i][1]
      end
      if #gone > 0 then
        call('HDEL', KEYS[2], unpack(gone))
        call('XTRIM', KEYS[1], 'MINID', kept or tonumber(sub(start, 2, -3)) + 1)
      end
      if kept or #entries == 0 then
        break
      end
    end
  end
  call('HSET', KEYS[3], 'position', last, 'total', total, 'oldest', oldest or total)
end

local function each(command, key, from, to)
  for start = from, to, AT_ONCE do
    call(command, key, unpack(ARGV, start, min(to, start + AT_ONCE - 1)))
  end
end

local scored = {}
local function add(key, from, to)
  local count = 0
  for i = from, to do
    scored[count + 1], scored[count + 2] = '0', ARGV[i]
    count = count + 2
    if count >= AT_ONCE or i == to then
      call('ZADD', key, unpack(scored, 1, count))
      count = 0
    end
  end
end

local function unlink(part)
  call('UNLINK', part.meta, part.documents, part.ids)
  for i = part.first_index, part.first_index + part.indexes - 1 do
    call('UNLINK', KEYS[i])
  end
  if registry == 1 then
    call('SREM', KEYS[4], part.name)
  end
end

if grows == 1 then
  append()
end
for i = 1, #orphans do
  call('ZREM', orphans[i][1], orphans[i][2])
end
local dropped = 0
for c = 1, collections do
  local part = parts[c]
  if part.dropped then
    dropped = dropped + part.count
    unlink(part)
  elseif part.renamed == 0 then
    local fields, count = {}, 0
    if part.created then
      fields[1], fields[2], count = 'name', part.name, 2
      if registry == 1 then
        call('SADD', KEYS[4], part.name)
      end
    end
    if part.catalogue ~= '' then
      fields[count + 1], fields[count + 2] = 'version', first
      fields[count + 3], fields[count + 4] = 'catalogue', sub(part.catalogue, 2)
      count = count + 4
    end
    if part.highest > part.known_highest then
      fields[count + 1], fields[count + 2], count = 'highest', part.highest, count + 2
    end
    if part.largest > part.known_largest then
      fields[count + 1], fields[count + 2], count = 'largest', part.largest, count + 2
    end
    if count > 0 then
      call('HSET', part.meta, unpack(fields))
    end

    if part.puts > 0 then
      local row, offsets, to_document = part.row, part.offsets, part.document - part.row
      local last = row + part.puts - 1
      local values, place = {}, 1
      count = 0
      for i = row, last do
        local offset
        offset, place = open('>I4', offsets, place)
        values[count + 1], values[count + 2] = ARGV[i], pack('>I8', first + offset) .. ARGV[i + to_document]
        count = count + 2
        if count >= AT_ONCE or i == last then
          call('HSET', part.documents, unpack(values, 1, count))
          count = 0
        end
      end
      add(part.ids, row, row + part.inserts - 1)
    end
    if part.deletes > 0 then
      local from = part.row + part.puts
      each('HDEL', part.documents, from, from + part.deletes - 1)
      each('ZREM', part.ids, from, from + part.deletes - 1)
    end

    -- Groups are sorted by kind: removing comes before adding, and releasing before claiming.
    for g = 1, #part do
      local group = part[g]
      if group.kind == CLEARED then
        call('UNLINK', group.key)
      elseif group.kind == REMOVED or group.kind == RELEASED then
        each('ZREM', group.key, group.first, group.last)
      else
        add(group.key, group.first, group.last)
      end
    end
  end
end

for c = 1, collections do
  local part = parts[c]
  if part.renamed > 0 then
    local target = parts[part.renamed]
    unlink(target)
    local moved = {part.documents, target.documents, part.ids, target.ids, part.meta, target.meta}
    for i = 0, 2 * part.known_highest - 1 do
      moved[#moved + 1], moved[#moved + 2] = KEYS[part.first_index + i], KEYS[target.first_index + i]
    end
    for i = 1, #moved, 2 do
      if call('EXISTS', moved[i]) == 1 then
        call('RENAME', moved[i], moved[i + 1])
      end
    end
    call('HSET', target.meta, 'name', target.name)
    call('SREM', KEYS[4], part.name)
    call('SADD', KEYS[4], target.name)
  end
end
if grows == 0 then
  append()
end
return {'applied', logged == 1 and first or 0, dropped, now}
