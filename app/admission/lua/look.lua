-- admit without turns, and enter where it must go on: takes the tokens and returns the counters. A
-- quota that is not loaded is no obstacle.
-- Included before the functions of a turn, which it does not need (ADR 18).
-- ARGV and results are those of each request.

local function look()
  local limits = quota_key and read_limits()
  if limits and not is_in_period(limits.period_start, limits.period_end) then
    return reply(PERIOD_MISMATCH)
  end
  local function open()
    if limits then open_under(limits) end
    return {}
  end
  return decide(open, open)
end
