-- Looks at some of the operation ids: the commit of each must be in the log.
-- KEYS: log, operations. ARGV: cursor, how many about, '1' to repair.
-- Gives the next cursor, and how many have no commit.
local call = redis.call
local reply = call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local fields = reply[2]
local orphans = 0
for i = 1, #fields, 2 do
  if #call('XRANGE', KEYS[1], fields[i + 1], fields[i + 1]) == 0 then
    orphans = orphans + 1
    if ARGV[3] == '1' then
      call('HDEL', KEYS[2], fields[i])
    end
  end
end
return {reply[1], orphans}
