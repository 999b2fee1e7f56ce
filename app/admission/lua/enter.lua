-- enter: takes a token, for who charges nothing, and tells the account's instant. It ends here if it
-- can, since Lua makes every function anew in each call, and this one needs few (decision 18).
-- ARGV and results have no more than those of each request. Replies are written out: `reply` is not
-- made yet.

local function admitted(bucket)
  local full_in = pay(bucket, bucket.price)
  local clock_at = number(call('HGET', KEYS[2], 'clock_at'))
  local now = clock_at and math.max(time, clock_at + 1) or 0
  return {DONE, time, now, -1, 0, 0, 0, floor_div(bucket.level, bucket.period), 0, full_in}
end

-- Behind an empty bucket the counters are returned, too: floods end here, and no companion key is looked
-- at. Nil, and nothing is done, if there are reservations, of which some may have lapsed, or if a
-- counter is missing or no number.
local function refused(bucket)
  local counters = call('HMGET', KEYS[2],
    'clock_at', 'generation', 'turns_used', 'relationships_used', 'reservations')
  for i = 1, 5 do
    counters[i] = number(counters[i])
    if not counters[i] then return nil end
  end
  if counters[5] > 0 then return nil end
  local left, wait = floor_div(bucket.level, bucket.period), wait_for(bucket, bucket.price)
  local now, full_in = math.max(time, counters[1] + 1), pay(bucket, 0)
  return {RATE_LIMITED, time, now, counters[2], counters[3], 0, counters[4], left, wait, full_in}
end

if ARGV[1] == 'enter' then
  if not is_in_period(7) then return {PERIOD_MISMATCH, time, 0, -1, 0, 0, 0} end
  local bucket = read_bucket()
  if bucket.level >= bucket.price then return admitted(bucket) end
  local refusal = refused(bucket)
  if refusal then return refusal end
end
