-- snapshot: ARGV now prefix; KEYS as for begin. It lists the index, and drops from it what has died.
local now = clock(ARGV[1])
local list = {}
for _, m in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  local key, devices = ARGV[2] .. 'm:' .. m, ARGV[2] .. 'd:' .. m
  if redis.call('EXISTS', key) == 0 then
    redis.call('SREM', KEYS[6], m)
  else
    local r = load(key, devices, m)
    local open, doubtful = 0, 0
    for _, p in ipairs(r.open) do if p.expires > now then open = open + 1 end end
    for _, v in ipairs(redis.call('HVALS', devices)) do
      if string.match(v, '^%d+ (%d+)') ~= '0' then doubtful = doubtful + 1 end
    end
    local closed = r.n > 0 and math.max(r.closed - now, 0) or 0
    local refused, wrong = last_day(r, now)
    local budget = r.budget
    if budget > 0 and r.loc > 0 then budget = budget + 1 end
    local last = math.max(r.last, r.lastok)
    local idle = last > 0 and math.max(now - last, 0) or -1
    table.insert(list, {m, r.n, r.c, text(closed), r.proven, open, r.good, doubtful, budget, refused, wrong, text(idle), state(r, '', nil, now)})
  end
end
return list
