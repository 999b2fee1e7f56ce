-- Operations: each is one call. ARGV from 3; results from 8, where the work was done.

local function open_quota()
  load_quota()
  if quota then lapse() end
end

local function outside(start, finish)
  return time < start or time >= finish
end

local function items_from(first)
  local items = {}
  for i = first, #ARGV, 3 do
    table.insert(items, {turn = ARGV[i], turns = tonumber(ARGV[i + 1]), relationship = ARGV[i + 2]})
  end
  return items
end

local function append_verdict(result, verdict, recorded_at, counted)
  table.insert(result, verdict)
  table.insert(result, int(recorded_at))
  table.insert(result, counted)
end

local function charge_each(items, overage_allowed)
  local result = {}
  for _, item in ipairs(items) do
    local verdict, entry = judge(item, overage_allowed)
    if verdict == CHARGED then
      append_verdict(result, verdict, charge(item))
    elseif verdict == REMEMBERED then
      append_verdict(result, verdict, entry.recorded_at, entry.counted)
    else
      append_verdict(result, verdict, 0, 0)
    end
  end
  return result
end

-- Behind an empty bucket nothing is charged. A lone turn that the quota refuses as well is told,
-- since waiting for the bucket would be useless.
local function look_at_lone(items, overage_allowed)
  local result = {}
  if #items ~= 1 then return result end
  local verdict = judge(items[1], overage_allowed)
  if verdict == TURNS_EXHAUSTED or verdict == RELATIONSHIPS_EXHAUSTED then
    append_verdict(result, verdict, 0, 0)
  end
  return result
end

-- admit: charges bucket and quota, or tells why not.
-- ARGV 3 tokens refilled every  4 period  5 burst  6 tokens to take (0 = only look)
--      and with a quota: 7 period_start  8 period_end  9 turns_limit  10 relationships_limit
--      (-1 = none)  11 overage ('1' = never refuse)  12… turn, turns, relationship ('' = none), …
-- Result 8 whole tokens left  9 wait until the tokens are there  10 time to full
--      11… verdict, recorded_at, counted, …; none behind an empty bucket (but see look_at_lone)
local function admit()
  local has_quota = KEYS[2] ~= nil
  if has_quota then
    if outside(tonumber(ARGV[7]), tonumber(ARGV[8])) then return reply(PERIOD_MISMATCH) end
    open_quota()
    if quota then
      quota.turns_limit, quota.relationships_limit = tonumber(ARGV[9]), tonumber(ARGV[10])
    elseif #ARGV > 11 then
      return reply(NEED_SEED)
    end
  end
  local bucket = read_bucket(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
  local price = tonumber(ARGV[6]) * bucket.period
  local wait = wait_for(bucket, price)
  local settle = wait == 0 and charge_each or look_at_lone
  local verdicts = settle(items_from(12), ARGV[11] == '1')
  pay(bucket, wait == 0 and price or 0)
  save_quota()
  local result = reply(wait == 0 and DONE or RATE_LIMITED)
  table.insert(result, floor_div(bucket.level, bucket.period))
  table.insert(result, int(wait))
  table.insert(result, int(wait_for(bucket, bucket.capacity)))
  for _, value in ipairs(verdicts) do table.insert(result, value) end
  return result
end

-- read: the counters. ARGV 3 period_start  4 period_end
-- Result 8 reservations  9 remembered  10 mark_at  11 mark_used
local function read()
  if outside(tonumber(ARGV[3]), tonumber(ARGV[4])) then return reply(PERIOD_MISMATCH) end
  open_quota()
  if not quota then return reply(NEED_SEED) end
  save_quota()
  local result = reply(DONE)
  for _, field in ipairs({'reservations', 'remembered', 'mark_at', 'mark_used'}) do
    table.insert(result, int(quota[field]))
  end
  return result
end

-- refund: takes charges back, each once. ARGV 3 generation  4… turn, recorded_at, …
-- Result 8 how many; those of another generation died with it
local function refund()
  open_quota()
  local count = 0
  if quota and int(quota.generation) == ARGV[3] then
    for i = 4, #ARGV, 2 do
      if take_back(ARGV[i], tonumber(ARGV[i + 1])) then count = count + 1 end
    end
  end
  save_quota()
  local result = reply(DONE)
  table.insert(result, count)
  return result
end

-- seed: starts a generation from the ledger's counts; does nothing if there is a quota.
-- ARGV 3 period_start  4 period_end  5 turns_limit  6 relationships_limit  7 turns
--      8 newest recorded_at  9 relationships in KEYS[6]; NEED_SEED if they are not all there
local function seed()
  load_quota()
  if quota then
    call('DEL', KEYS[6])
    return reply(DONE)
  end
  local active = call('HLEN', KEYS[6])
  if active ~= tonumber(ARGV[9]) then return reply(NEED_SEED) end
  call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  if active > 0 then call('RENAME', KEYS[6], KEYS[3]) end
  local turns, now = tonumber(ARGV[7]), math.max(time, tonumber(ARGV[8]) + 1)
  quota = {
    turns_used = turns, turns_reserved = 0, turns_limit = tonumber(ARGV[5]),
    relationships_used = active, relationships_limit = tonumber(ARGV[6]),
    reservations = 0, remembered = 0,
    period_start = tonumber(ARGV[3]), period_end = tonumber(ARGV[4]),
    generation = now, mark_at = now, mark_used = turns, settled_at = now, clock_at = now,
  }
  changed = true
  save_quota()
  return reply(DONE)
end

-- mark: parts the charges so far from those to come. Result 8 mark_at
local function mark()
  open_quota()
  if not quota then return reply(NEED_SEED) end
  quota.mark_at, quota.mark_used = tick(), quota.turns_used
  save_quota()
  local result = reply(DONE)
  table.insert(result, int(quota.mark_at))
  return result
end

local function open_marked()
  open_quota()
  if not quota then return NEED_SEED end
  return int(quota.mark_at) == ARGV[3] and DONE or STALE
end

-- reconcile: adds what the ledger holds more than was charged before the mark; twice is once.
-- ARGV 3 mark_at  4 the ledger's turns before it. Result 8 by how much turns_used changed
local function reconcile()
  local status, drift = open_marked(), 0
  if status == DONE then
    local used, turns = quota.turns_used, tonumber(ARGV[4])
    quota.turns_used = math.max(0, used + turns - quota.mark_used)
    quota.mark_used, quota.settled_at = turns, quota.mark_at
    drift, changed = quota.turns_used - used, true
  end
  save_quota()
  local result = reply(status)
  table.insert(result, int(drift))
  return result
end

-- mend: sets references to the ledger's count where they still are as seen (0 = absent).
-- ARGV 3 mark_at  4… relationship, seen, the ledger's count, …
-- Result 8 by how much relationships_used changed
local function mend()
  local status = open_marked()
  local used = quota and quota.relationships_used or 0
  for i = 4, status == DONE and #ARGV or 0, 3 do
    local relationship, seen, wanted = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    if references_of(relationship) == seen then
      if seen == 0 then hold(relationship) end
      set_references(relationship, wanted)
      changed = true
    end
  end
  save_quota()
  local result = reply(status)
  table.insert(result, quota and int(quota.relationships_used - used) or 0)
  return result
end

local OPERATIONS = {
  admit = admit, read = read, refund = refund, seed = seed,
  mark = mark, reconcile = reconcile, mend = mend,
}
return OPERATIONS[ARGV[1]]()
