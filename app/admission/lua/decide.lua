-- Decisions: bucket and quota together.
-- Included before `look`, the first operation that decides with a quota (ADR 18).

-- Returns the limits that a request names.
local function read_limits()
  local period_start, period_end, turns_limit, relationships_limit = four_numbers(6)
  return {
    period_start = period_start, period_end = period_end,
    turns_limit = turns_limit, relationships_limit = relationships_limit,
    overage_allowed = ARGV[10] == '1', uncharged_limit = tonumber(ARGV[11]),
  }
end

-- Opens the quota under the limits of the request, which may be newer than the stored ones.
local function open_under(limits)
  open_quota()
  if quota then
    quota.turns_limit, quota.relationships_limit = limits.turns_limit, limits.relationships_limit
    quota.uncharged_limit = limits.uncharged_limit
  end
end

-- Takes the tokens and returns the results of `charge`. Behind an empty bucket returns those of `look`,
-- which charges nothing.
local function decide(charge, look)
  local bucket = read_bucket()
  local wait = wait_for(bucket, bucket.price)
  local values = (wait == 0 and charge or look)()
  local full_in = pay(bucket, wait == 0 and bucket.price or 0)
  save_quota()
  local result = reply(wait == 0 and DONE or RATE_LIMITED)
  result[9], result[10], result[11] = floor_div(bucket.level, bucket.period), wait, full_in
  for i, value in ipairs(values) do result[11 + i] = value end
  return result
end
