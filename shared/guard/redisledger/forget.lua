-- forget: ARGV now material; KEYS as for begin
local now = clock(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local r = load(KEYS[1], KEYS[2], ARGV[2])
r.n, r.c, r.closed, r.v1, r.v2, r.good = 0, 0, 0, '', '', 0
local all = redis.call('HGETALL', r.devices)
for i = 1, #all, 2 do
  local ok, by = string.match(all[i + 1], '^(%d+) %d+ %d+ (.*)$')
  if ok ~= '0' then r.good = r.good + 1 end
  redis.call('HSET', r.devices, all[i], ok .. ' 0 0 ' .. by)
end
save(r)
keep(r)
news('forget ' .. state(r, '', nil, now))
return 1
