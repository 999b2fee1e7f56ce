-- refund: takes charges back, each once. ARGV 2 generation  3… turn, recorded_at, …
-- Result 9 how many. Charges of another generation are not in these counters.
-- Included before the functions of a charge, which it does not need (ADR 18).

-- Undoes the charge of a turn at that instant. Returns false if there is none.
local function take_back(turn, recorded_at)
  local entry = current_entry(turn)
  if not entry or entry.state ~= 'charged' or entry.recorded_at ~= recorded_at then return false end
  local uncharged = uncharged_in(entry)
  quota.turns_used = math.max(0, quota.turns_used - entry.turns)
  quota.uncharged_used = math.max(0, quota.uncharged_used - uncharged)
  if recorded_at < quota.mark_at then
    quota.mark_used = quota.mark_used - entry.turns
    quota.mark_uncharged = quota.mark_uncharged - uncharged
  end
  drop_reference(entry.relationship)
  remove_entries({turn}, expiries_key)
  return true
end

local function refund()
  local generation, count = tonumber(ARGV[2]), 0
  open_quota()
  if quota and quota.generation == generation then
    for i = 3, #ARGV, 2 do
      local turn, recorded_at = ARGV[i], tonumber(ARGV[i + 1])
      if take_back(turn, recorded_at) then count = count + 1 end
    end
  end
  save_quota()
  return reply_with(DONE, count)
end
