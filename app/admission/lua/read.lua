-- read: returns the counters. ARGV 2 period_start  3 period_end
-- Result 9 reservations  10 remembered  11 mark_at  12 mark_used
-- Included before the functions of a decision, which it does not need (ADR 18).

local function read()
  local period_start, period_end = tonumber(ARGV[2]), tonumber(ARGV[3])
  if not is_in_period(period_start, period_end) then return reply(PERIOD_MISMATCH) end
  open_quota()
  if not quota then return reply(NEED_SEED) end
  save_quota()
  local result = reply(DONE)
  table.insert(result, quota.reservations - backlog)
  for _, field in ipairs({'remembered', 'mark_at', 'mark_used'}) do
    table.insert(result, quota[field])
  end
  return result
end
