-- enter: takes a token for a request that charges no turns and shows no counters.
-- It writes out the period check and its replies, since their functions are included later.
-- Included before the quota's functions, so that the call does not make them (ADR 18).
-- ARGV and results are those of each request.

-- Refuses the request and returns the counters without a look at the companion keys, so that a flood
-- ends here. Returns nil and does nothing if
-- - there are reservations, since some may have expired, or
-- - a counter is missing or is not a number.
local function enter_refused(bucket)
  local counters = call('HMGET', quota_key, 'clock_at', 'generation', 'turns_used',
    'relationships_used', 'reservations', 'uncharged_used')
  local uncharged = parse_number(counters[6]) or 0
  for i = 1, 5 do
    counters[i] = parse_number(counters[i])
    if not counters[i] then return nil end
  end
  if counters[5] > 0 then return nil end
  local left, wait = floor_div(bucket.level, bucket.period), wait_for(bucket, bucket.price)
  local now, full_in = math.max(time, counters[1] + 1), pay(bucket, 0)
  return {
    RATE_LIMITED, time, now, counters[2], counters[3], 0, counters[4], uncharged,
    left, wait, full_in,
  }
end

-- Takes the token and returns the account's instant, but no counters. Returns nil if the call must go
-- on as `look`.
local function enter()
  local period_start, period_end = tonumber(ARGV[6]), tonumber(ARGV[7])
  if time < period_start or time >= period_end then
    return {PERIOD_MISMATCH, time, 0, -1, 0, 0, 0, 0}
  end
  local bucket = read_bucket()
  if bucket.level < bucket.price then return enter_refused(bucket) end
  local full_in = pay(bucket, bucket.price)
  local clock_at = parse_number(call('HGET', quota_key, 'clock_at'))
  local now = clock_at and math.max(time, clock_at + 1) or 0
  return {DONE, time, now, -1, 0, 0, 0, 0, floor_div(bucket.level, bucket.period), 0, full_in}
end
