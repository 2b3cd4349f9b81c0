-- end: ARGV now permit device current id version previous|'' open budget pause, then material and answer of each that was shown
local now = clock(ARGV[1])
local permit, dev, current, id, version, previous = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local open, b, pause = ARGV[8] == '1', tonumber(ARGV[9]), tonumber(ARGV[10])

local cur, prev = load(KEYS[1], KEYS[2], current), nil
if previous ~= '' and previous ~= current then prev = load(KEYS[3], KEYS[4], previous) end
local words = {[current] = device(cur, dev)}
if prev then words[previous] = device(prev, dev) end

local result, was_shown = '', {}
for i = 11, #ARGV, 2 do
  local m, answer = ARGV[i], ARGV[i + 1]
  local r, other = cur, words[previous]
  if m ~= current then r, other = prev, words[current] end
  result, was_shown[m] = answer, answer
  local w = words[m] or {ok = 0, k = 0, paused = 0, by = ''}
  if r and w.by ~= permit then
    local before = good(w)
    w.by = permit
    if answer == 'accepted' then
      w.ok, w.k, w.paused = math.max(now, (other and other.ok or 0) + 1), 0, 0
      if r.proven == 0 then r.changed = true end
      r.proven, r.c = 1, 0
    elseif answer == 'refused' then
      w.k = w.k + 1
      w.paused = math.max(w.paused, now + doubled(pause, w.k - 1, MAXPAUSE))
      r.c = r.c + 1
      count_refusal(r, now)
      if r.id == '' then r.id = id end
    else
      w.k = w.k + 1
      w.paused = math.max(w.paused, now + doubled(UNSURE, w.k - 1, MAXPAUSE))
    end
    if good(w) and not before then r.good = r.good + 1; r.changed = true end
    if before and not good(w) then r.good = r.good - 1; r.changed = true end
    words[m] = w
    redis.call('HSET', r.devices, dev, text(w.ok) .. ' ' .. w.k .. ' ' .. text(w.paused) .. ' ' .. permit)
  end
end

rebase(cur, now, pause)
if prev then rebase(prev, now, pause) end
for _, r in ipairs({cur, prev}) do
  local other, found = prev, nil
  if r == prev then other = cur end
  for i, o in ipairs(r.open) do
    if o.permit == permit then found = i end
  end
  if found and not open then
    local o = r.open[found]
    -- Others may wait for this permit, or for what it shows.
    if b > 0 and (#r.open >= math.max(1, b - r.n) or o.trust ~= KNOWN) or r.n > 0 or other and other.n > 0 then r.changed = true end
    table.remove(r.open, found)
    table.insert(r.gone, permit)
    if result == 'accepted' then
      r.lastok = math.max(r.lastok, o.started)
      if o.started >= r.last then
        r.loc = r.loc + r.n
        r.n, r.closed, r.v1, r.v2 = 0, 0, '', ''
        if was_shown[r.material] == 'accepted' then clear_refusals(r) end
      end
    elseif result ~= '' and was_shown[r.material] then
      fail(r, o.started, result, other, now, b, pause)
      if r == cur then
        if r.id ~= id then r.id, r.v1, r.v2 = id, '', '' end
        if r.v1 == '' then r.v1 = version
        elseif r.v2 == '' and r.v1 ~= version then r.v2 = version end
      end
    end
  end
  if result ~= '' and result ~= 'accepted' and was_shown[r.material] then r.changed = true end
  r.touched = found or was_shown[r.material]
end
for _, r in ipairs({cur, prev}) do
  if r.touched or r.dirty then
    save(r)
    keep(r)
  end
  if r.changed then news(state(r, dev, words[r.material], now)) end
end
return 'OK'
