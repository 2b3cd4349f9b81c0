-- members: ARGV now operation instance uptime description; KEYS: 1 the hash of members. An entry is when the member was heard of
-- last, how long it had run then, and what it says of itself.
local DAYLONG, SILENT, MOST = 86400e6, 35e6, 100
local now = clock(ARGV[1])
if ARGV[2] == 'leave' then
  redis.call('HDEL', KEYS[1], ARGV[3])
  return {}
end
if ARGV[2] ~= 'list' then
  redis.call('HSET', KEYS[1], ARGV[3], text(now) .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
  redis.call('EXPIRE', KEYS[1], DAYLONG / 1e6)
  if ARGV[2] == 'heartbeat' then return {} end
end
local list, silent = {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, uptime, about = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
  at = tonumber(at) or 0
  if at > now then -- the clock was set back
    at = now
    redis.call('HSET', KEYS[1], all[i], text(now) .. ' ' .. uptime .. ' ' .. about)
  end
  local member = {all[i], text(now - at), uptime, about, at}
  if now - at > DAYLONG then redis.call('HDEL', KEYS[1], all[i])
  elseif now - at > SILENT then table.insert(silent, member)
  else table.insert(list, member) end
end
table.sort(silent, function(a, b)
  if a[5] ~= b[5] then return a[5] > b[5] end
  return a[1] < b[1]
end)
for i, member in ipairs(silent) do
  if i > MOST then redis.call('HDEL', KEYS[1], member[1]) else table.insert(list, member) end
end
return list
