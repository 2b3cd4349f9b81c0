-- The rules of the guard's ledger, as record.go and decide.go in package guard has them. Times are microseconds of the server's clock.
-- KEYS: 1 record of the current material, 2 its devices, 3 and 4 the same of the previous one, 5 record of the replaced one,
-- 6 the index of materials, 7 the channel of news.
local MAXPAUSE, UNSURE, SETTLE, HOLD, EXCUSE = 14400e6, 60e6, 30e6, 30e6, 10e6
local ENOUGHKNOWN, KEEP = 30, 2592000
local HOUR, DAY = 3600e6, 24 -- an hour, and how many of them have their refusals counted
local STRANGER, KNOWNBEFORE, KNOWN = 0, 1, 2 -- what is known of a device when it gets a permit

local function clock(fixed)
  if fixed ~= '' then return tonumber(fixed) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1e6 + tonumber(t[2])
end

local function text(n) return string.format('%.0f', n) end

local function doubled(d, steps, longest)
  while steps > 0 and d < longest do d = d * 2; steps = steps - 1 end
  return math.min(d, longest)
end

-- load reads a record: {n, c, loc, good, last, lastok, until_, suspect, proven, id, v1, v2, open = {{permit, ...}}}.
local function load(key, devices, material)
  local r = {key = key, devices = devices, material = material, n = 0, c = 0, loc = 0, good = 0, last = 0, lastok = 0,
    closed = 0, suspect = 0, proven = 0, id = '', v1 = '', v2 = '', budget = 0, hours = {}, open = {}, gone = {}}
  local all = redis.call('HGETALL', key)
  r.fresh = #all == 0
  for i = 1, #all, 2 do
    local f, v = all[i], all[i + 1]
    if string.sub(f, 1, 2) == 'p:' then
      local s, e, t, o, d = string.match(v, '^(%d+) (%d+) (%d) (%d) (.*)$')
      table.insert(r.open, {permit = string.sub(f, 3), started = tonumber(s), expires = tonumber(e), trust = tonumber(t), order = tonumber(o), device = d})
    elseif f == 'id' or f == 'v1' or f == 'v2' then
      r[f] = v
    elseif string.sub(f, 1, 2) == 'h:' then
      local refused, wrong = string.match(v, '^(%d+) (%d+)$')
      r.hours[string.sub(f, 3)] = {refused = tonumber(refused), wrong = tonumber(wrong)}
    else
      r[f] = tonumber(v)
    end
  end
  return r
end

local function save(r)
  redis.call('HSET', r.key, 'n', r.n, 'c', r.c, 'loc', r.loc, 'good', r.good, 'last', text(r.last), 'lastok', text(r.lastok),
    'closed', text(r.closed), 'suspect', text(r.suspect), 'proven', r.proven, 'id', r.id, 'v1', r.v1, 'v2', r.v2)
  if r.noted then
    redis.call('HSET', r.key, 'budget', r.budget)
    for hour, h in pairs(r.hours) do
      if h.noted then redis.call('HSET', r.key, 'h:' .. hour, h.refused .. ' ' .. h.wrong) end
    end
  end
  for _, p in ipairs(r.gone) do redis.call('HDEL', r.key, 'p:' .. p) end
  r.gone = {}
end

local function keep(r)
  redis.call('EXPIRE', r.key, KEEP)
  redis.call('EXPIRE', r.devices, KEEP)
  if r.fresh then
    redis.call('SADD', KEYS[6], r.material)
    r.fresh = false
  end
  redis.call('EXPIRE', KEYS[6], KEEP)
end

local function device(r, d)
  local v = redis.call('HGET', r.devices, d)
  if not v then return nil end
  local ok, k, u, by = string.match(v, '^(%d+) (%d+) (%d+) (.*)$')
  return {ok = tonumber(ok), k = tonumber(k), paused = tonumber(u), by = by}
end

local function good(d) return d and d.ok > 0 and d.k == 0 end

-- failing reports whether a material has failed lately, and not worked since.
local function failing(r, now, pause) return r and r.n > 0 and r.last > now - math.floor(pause * 2 / 3) end

local function failing_until(r, now, pause)
  if failing(r, now, pause) then return r.last + math.floor(pause * 2 / 3) end
  return 0
end

-- bound is how many logins may fail in a row: one more once refusals have proved to be the devices' own. While the other
-- version's material fails too, both have twice the budget.
local function bound(r, b, other, now, pause)
  local n = b
  if r.loc > 0 then n = n + 1 end
  if failing(other, now, pause) then return math.max(1, math.min(n, 2 * b - other.n)) end
  return n
end

-- permit_text is how a permit is kept.
local function permit_text(p)
  return text(p.started) .. ' ' .. text(p.expires) .. ' ' .. p.trust .. ' ' .. p.order .. ' ' .. p.device
end

-- rebase bounds times that lie in the future, which they do when the server's clock was set back.
local function rebase(r, now, pause)
  if math.max(r.last, r.lastok, r.suspect) > now then r.dirty = true end
  r.last, r.lastok, r.suspect = math.min(r.last, now), math.min(r.lastok, now), math.min(r.suspect, now)
  if r.closed > now + pause then r.closed, r.dirty = now + pause, true end
  for _, p in ipairs(r.open) do
    if p.started > now then
      p.expires = now + p.expires - p.started
      p.started = now
      redis.call('HSET', r.key, 'p:' .. p.permit, permit_text(p))
    end
  end
end

-- in_day reports whether an hour is one of the last day. Hours have strings for keys: not every Lua has large numbers cheaply.
local function in_day(hour, now)
  local at = math.floor(now / HOUR)
  return tonumber(hour) > at - DAY and tonumber(hour) < at + DAY
end

-- count_refusal counts a refusal in the hour that runs, and drops the hours that are over.
local function count_refusal(r, now)
  local at = text(math.floor(now / HOUR))
  local h = r.hours[at] or {refused = 0, wrong = 0}
  r.hours[at], r.noted = {refused = h.refused + 1, wrong = h.wrong + 1, noted = true}, true
  for hour in pairs(r.hours) do
    if not in_day(hour, now) then
      r.hours[hour] = nil
      redis.call('HDEL', r.key, 'h:' .. hour)
    end
  end
end

-- clear_refusals notes that the material was accepted: what refused it before had its own trouble.
local function clear_refusals(r)
  for _, h in pairs(r.hours) do
    if h.wrong > 0 then h.wrong, h.noted, r.noted = 0, true, true end
  end
end

-- last_day returns the refusals of the last day, and those of them that no success has cleared.
local function last_day(r, now)
  local refused, wrong = 0, 0
  for hour, h in pairs(r.hours) do
    if in_day(hour, now) then refused, wrong = refused + h.refused, wrong + h.wrong end
  end
  return refused, wrong
end

local function fail(r, started, answer, other, now, b, pause)
  r.budget, r.noted = b, true
  local closure = math.floor(pause * 4 / 15)
  if r.loc > 0 and r.good >= ENOUGHKNOWN or failing(other, now, pause) then closure = pause end
  if answer == 'unknown' then
    if started + EXCUSE < r.lastok then return end
    r.last = math.max(r.last, started)
    closure = math.min(2 * UNSURE, closure)
  else
    r.last = now
  end
  r.n = r.n + 1
  local over = r.n - bound(r, b, other, now, pause)
  if b > 0 and over >= 0 then r.closed = math.max(r.closed, now + doubled(closure, over, pause)) end
  if b > 0 and failing(other, now, pause) and other.n >= b then
    other.closed, other.dirty = math.max(other.closed, other.last + pause), true
  end
end

-- expire counts permits whose time is over as answers that never came.
local function expire(r, other, now, b, pause)
  local open, changed = {}, false
  for _, p in ipairs(r.open) do
    if p.expires > now then
      table.insert(open, p)
    else
      table.insert(r.gone, p.permit)
      fail(r, p.started, 'unknown', other, now, b, pause)
      local d = device(r, p.device) or {ok = 0, k = 0, paused = 0, by = ''}
      if d.by ~= p.permit then
        if good(d) then r.good = r.good - 1 end
        d.k = d.k + 1
        d.paused = math.max(d.paused, now + doubled(UNSURE, d.k - 1, MAXPAUSE))
        redis.call('HSET', r.devices, p.device, text(d.ok) .. ' ' .. d.k .. ' ' .. text(d.paused) .. ' ' .. d.by)
      end
      changed = true
    end
  end
  r.open = open
  return changed
end

local function earliest(r)
  local e = r.open[1].expires
  for _, p in ipairs(r.open) do e = math.min(e, p.expires) end
  return e
end

-- busy returns when the login under way at a device runs out, if there is one.
local function busy(r, d)
  for _, p in ipairs(r.open) do if p.device == d then return p.expires end end
end

-- exposed is how many failed logins the account has seen lately, or will have if all that is under way fails, n more too.
local function exposed(r, other, n, now, pause)
  for _, x in ipairs({r, other}) do
    n = n + #x.open
    if failing(x, now, pause) then n = n + x.n end
  end
  return n
end

-- exceptions is how many logins are under way at devices that aren't known to accept the material.
local function exceptions(r)
  local n = 0
  for _, p in ipairs(r.open) do if p.trust ~= KNOWN then n = n + 1 end end
  return n
end

local function or_none(s) if s == '' then return '-' end return s end

-- state is a record and one device's word on it, for mirrors.
local function state(r, d, v, now)
  v = v or {ok = 0, k = 0, paused = 0}
  return table.concat({r.material, r.n, r.c, r.good, text(r.last), text(r.lastok), text(r.closed), text(r.suspect), r.proven,
    or_none(r.id), or_none(r.v1), or_none(r.v2), or_none(d), text(v.ok), v.k, text(v.paused), text(now), r.loc}, ' ')
end

local function news(line) redis.call('PUBLISH', KEYS[7], line) end
