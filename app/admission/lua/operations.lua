-- Operations: what is done beside requests. ARGV from 3; results from 8, where the work was done.

-- read: the counters. ARGV 3 period_start  4 period_end
-- Result 8 reservations  9 remembered  10 mark_at  11 mark_used
local function read()
  if not is_in_period(3) then return reply(PERIOD_MISMATCH) end
  open_quota()
  if not quota then return reply(NEED_SEED) end
  save_quota()
  local result = reply(DONE)
  table.insert(result, quota.reservations - overdue)
  for _, field in ipairs({'remembered', 'mark_at', 'mark_used'}) do
    table.insert(result, quota[field])
  end
  return result
end

-- refund: takes charges back, each once. ARGV 3 generation  4… turn, recorded_at, …
-- Result 8 how many; those of another generation died with it
local function refund()
  open_quota()
  local count = 0
  if quota and quota.generation == tonumber(ARGV[3]) then
    for i = 4, #ARGV, 2 do
      if take_back(ARGV[i], tonumber(ARGV[i + 1])) then count = count + 1 end
    end
  end
  save_quota()
  return reply_with(DONE, count)
end

-- stage: adds to KEYS[7] what a seed is to count. ARGV 3 milliseconds that it stays
--      4… relationship, references, …
local function stage()
  for i = 4, #ARGV, 2 do call('HSET', KEYS[7], ARGV[i], ARGV[i + 1]) end
  call('PEXPIRE', KEYS[7], ARGV[3])
  return reply(DONE)
end

-- seed: starts a generation from the ledger's counts; does nothing if there is a quota. What was
-- reserved is forgotten, but no instant that was given out, if it is still known.
-- ARGV 3 period_start  4 period_end  5 turns_limit  6 relationships_limit  7 turns
--      8 newest recorded_at  9 relationships in KEYS[7]; NEED_SEED if they are not all there
local function seed()
  load_quota()
  if quota then
    call('DEL', KEYS[7])
    return reply(DONE)
  end
  local active = call('HLEN', KEYS[7])
  if active ~= tonumber(ARGV[9]) then return reply(NEED_SEED) end
  local given = number(call('HGET', KEYS[2], 'clock_at')) or 0
  call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
  stored = {} -- a quota that had lost a part was read, and is deleted: every field is new
  if active > 0 then call('RENAME', KEYS[7], KEYS[3]) end
  local turns, now = tonumber(ARGV[7]), math.max(time, tonumber(ARGV[8]) + 1, given + 1)
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

-- mark: parts the charges so far from those to come. It lies beyond all that the ledger holds, for a
-- turn that was recorded without this server may carry an instant of the future.
-- ARGV 3 newest recorded_at. Result 8 mark_at
local function mark()
  open_quota()
  if not quota then return reply(NEED_SEED) end
  quota.clock_at = math.max(quota.clock_at, tonumber(ARGV[3]))
  quota.mark_at, quota.mark_used = tick(), quota.turns_used
  save_quota()
  return reply_with(DONE, quota.mark_at)
end

-- release: ends reservations before their time, as a lapse would: the ledger has their turns.
-- ARGV 3… turn, … Result 8 how many; what holds nothing (any more) is left alone
local function release_turns()
  open_quota()
  local count = 0
  for i = 3, quota and #ARGV or 0 do
    local entry = recall(ARGV[i])
    if entry and entry.state == 'reserved' then
      release({ARGV[i]}, {entry})
      drop(entry.relationship)
      count = count + 1
    end
  end
  save_quota()
  return reply_with(DONE, count)
end

local function open_marked()
  open_quota()
  if not quota then return NEED_SEED end
  return quota.mark_at == tonumber(ARGV[3]) and DONE or STALE
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
  return reply_with(status, drift)
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
  return reply_with(status, quota and quota.relationships_used - used or 0)
end

local OPERATIONS = {
  read = read, refund = refund, stage = stage, seed = seed, mark = mark, reconcile = reconcile, mend = mend,
  release = release_turns,
}
return OPERATIONS[ARGV[1]]()
