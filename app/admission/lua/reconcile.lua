-- Reconciliation: brings the counters to what the ledger holds (ADR 4).
-- Included last: only the worker and commands call these (ADR 18).

-- release: ends the reservations of turns that the ledger has, as their expiry would.
-- ARGV 2… turn, … Result 9 how many; turns that hold nothing are left alone
local function release()
  local count = 0
  open_quota()
  for i = 2, quota and #ARGV or 0 do
    local turn = ARGV[i]
    local entry = current_entry(turn)
    if entry and entry.state == 'reserved' then
      end_hold(turn, entry)
      count = count + 1
    end
  end
  save_quota()
  return reply_with(DONE, count)
end

-- set_watermark: separates the charges so far from those to come. The watermark is later than all
-- that the ledger holds: a turn recorded without this server may carry an instant of the future.
-- ARGV 2 newest recorded_at. Result 9 mark_at
local function set_watermark()
  local newest = tonumber(ARGV[2])
  open_quota()
  if not quota then return reply(NEED_SEED) end
  quota.clock_at = math.max(quota.clock_at, newest)
  quota.mark_at = tick()
  quota.mark_used, quota.mark_uncharged = quota.turns_used, quota.uncharged_used
  save_quota()
  return reply_with(DONE, quota.mark_at)
end

-- Opens the quota. Returns STALE if another pass has moved the watermark.
local function open_at(mark_at)
  open_quota()
  if not quota then return NEED_SEED end
  return quota.mark_at == mark_at and DONE or STALE
end

-- reconcile: adds to the counters what the ledger holds more than was counted before the watermark.
-- A second call changes nothing.
-- ARGV 2 mark_at  3 the ledger's turns before it  4 the ledger's uncharged turns before it
-- Result 9 by how much turns_used changed  10 by how much uncharged_used changed
local function reconcile()
  local mark_at, turns, uncharged = four_numbers(2)
  local status, drift, uncharged_drift = open_at(mark_at), 0, 0
  if status == DONE then
    local used = quota.turns_used
    quota.turns_used = math.max(0, used + turns - quota.mark_used)
    drift = quota.turns_used - used
    local uncharged_used = quota.uncharged_used
    quota.uncharged_used = math.max(0, uncharged_used + uncharged - quota.mark_uncharged)
    uncharged_drift = quota.uncharged_used - uncharged_used
    quota.mark_used, quota.mark_uncharged, quota.settled_at = turns, uncharged, quota.mark_at
    changed = true
  end
  save_quota()
  return reply_with(status, drift, uncharged_drift)
end

-- correct: sets references to the ledger's count where they are still as seen (0 = absent).
-- ARGV 2 mark_at  3… relationship, seen, the ledger's count, …
-- Result 9 by how much relationships_used changed
local function correct()
  local status = open_at(tonumber(ARGV[2]))
  local used = quota and quota.relationships_used or 0
  for i = 3, status == DONE and #ARGV or 0, 3 do
    local relationship, seen, wanted = ARGV[i], four_numbers(i + 1)
    if references_of(relationship) == seen then
      if seen == 0 then add_reference(relationship) end
      set_references(relationship, wanted)
      changed = true
    end
  end
  save_quota()
  return reply_with(status, quota and quota.relationships_used - used or 0)
end
