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

-- Behind an empty bucket the counters are told, too: floods end here, and no companion key is looked
-- at. Nil, and nothing is done, if there are reservations, of which some may have lapsed, or if a
-- counter is missing or no number.
local function refused(bucket)
  local told = call('HMGET', KEYS[2],
    'clock_at', 'generation', 'turns_used', 'relationships_used', 'reservations')
  for i = 1, 5 do
    told[i] = number(told[i])
    if not told[i] then return nil end
  end
  if told[5] > 0 then return nil end
  local left, wait = floor_div(bucket.level, bucket.period), wait_for(bucket, bucket.price)
  local now, full_in = math.max(time, told[1] + 1), pay(bucket, 0)
  return {RATE_LIMITED, time, now, told[2], told[3], 0, told[4], left, wait, full_in}
end

if ARGV[1] == 'enter' then
  if not is_in_period(7) then return {PERIOD_MISMATCH, time, 0, -1, 0, 0, 0} end
  local bucket = read_bucket()
  if bucket.level >= bucket.price then return admitted(bucket) end
  local told = refused(bucket)
  if told then return told end
end
