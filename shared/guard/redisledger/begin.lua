-- begin: ARGV now permit device current id version previous|'' previous_known current_shown replaced|'' age budget pause life previous_shown
local now = clock(ARGV[1])
local permit, dev, current, id, version, previous = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local known, shown, replaced, age = ARGV[8] == '1', ARGV[9] == '1', ARGV[10], tonumber(ARGV[11])
local b, pause, life = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])

local cur, prev = load(KEYS[1], KEYS[2], current), nil
if known and previous ~= '' and previous ~= current then prev = load(KEYS[3], KEYS[4], previous) end
local c, p = device(cur, dev), prev and device(prev, dev)

local function reply(verdict, at, order)
  keep(cur)
  local states = {state(cur, dev, c, now)}
  if prev then
    if not prev.fresh then keep(prev) end
    states[2] = state(prev, dev, p, now)
  end
  return {verdict, text(math.max((at or now) - now, 0)), order or 0, cur.n > 0 and 1 or 0, cur.proven, states}
end

for _, o in ipairs(cur.open) do
  if o.permit == permit and o.expires > now then return reply('granted', now, o.order) end
end
if replaced ~= '' and replaced ~= current and redis.call('EXISTS', KEYS[5]) == 1 then
  redis.call('HSET', KEYS[5], 'suspect', text(now))
  if prev and replaced == previous then prev.suspect = now end
  news('suspect ' .. replaced .. ' ' .. text(now))
end
rebase(cur, now, pause)
if prev then rebase(prev, now, pause) end
local cur_changed, prev_changed = expire(cur, prev, now, b, pause), false
if prev then prev_changed = expire(prev, cur, now, b, pause) end
c, p = device(cur, dev), prev and device(prev, dev)
local function settle(r, changed)
  if changed or r.dirty then save(r) end
  if changed then news(state(r, '', nil, now)) end
end
settle(cur, cur_changed)
if prev then settle(prev, prev_changed) end

if math.max(cur.last, cur.suspect) > now - age then return reply('read_again') end
if not known and (not good(c) or b > 0 and cur.n > 0) then return reply('need_previous') end -- failures of both versions count together
local paused = c and now < c.paused and c.paused <= now + MAXPAUSE -- else the clock was set back
local closed = b > 0 and cur.n >= bound(cur, b, prev, now, pause) and now < cur.closed
if closed and id == cur.id and cur.v1 ~= '' and version ~= cur.v1 and cur.v2 == '' then closed = false end
local u = prev and ARGV[15] ~= '1' and not (b > 0 and prev.n >= b) and good(p) and (not c or p.ok > c.ok)

local order -- 0 current, 1 previous, 2 current and previous, 3 previous and current
if u and (closed or shown) then order = 1
elseif u and (paused or b > 0 and cur.c >= b) then order = 3
elseif u then order = 2
elseif paused or shown then return reply('paused', c and c.paused or 0)
elseif closed and cur.proven == 1 and now < cur.last + SETTLE then return reply('settling', cur.last + SETTLE)
elseif closed then return reply('closed', cur.closed)
else order = 0 end

local trust = good(c) and KNOWN or good(p) and KNOWNBEFORE or STRANGER
local ends = busy(cur, dev)
if ends then return reply('held', ends) end
if b > 0 then
  local size = order < 2 and 1 or 2
  if exposed(cur, prev, size, now, pause) > 2 * b then
    if #cur.open > 0 then return reply('held', earliest(cur)) end
    if prev and #prev.open > 0 then return reply('held', earliest(prev)) end
    if order == 2 then order = 0 elseif order == 3 then order = 1 end
    if exposed(cur, prev, 1, now, pause) > 2 * b then
      return reply('closed', math.max(cur.closed, failing_until(cur, now, pause), failing_until(prev, now, pause)))
    end
  end
  local ways = {[0] = {cur}, {prev}, {cur, prev}, {prev, cur}}
  for _, r in ipairs(ways[order]) do
    local other = prev
    if r == prev then other = nil end
    if #r.open >= math.max(1, bound(r, b, other, now, pause) - r.n) then return reply('held', earliest(r)) end
  end
  local exception = trust ~= KNOWN and cur.good >= ENOUGHKNOWN
  if exception and cur.n > 0 and now < cur.last + HOLD then return reply('behind', cur.last + HOLD) end
  if exception and order % 2 == 0 and #cur.open > 0 and cur.n + exceptions(cur) >= bound(cur, b, prev, now, pause) - 1 then
    return reply('behind', earliest(cur))
  end
  if trust == STRANGER then
    for _, o in ipairs(cur.open) do
      if o.trust == STRANGER then return reply('behind', earliest(cur)) end
    end
  end
end

local value = permit_text({started = now, expires = now + life, trust = trust, order = order, device = dev})
if cur.fresh then save(cur) end
redis.call('HSET', cur.key, 'p:' .. permit, value)
if order ~= 0 then
  if prev.fresh then save(prev) end
  redis.call('HSET', prev.key, 'p:' .. permit, value)
end
return reply('granted', now, order)
