-- enter: takes a token, for who charges nothing, and tells the account's instant. It ends here: Lua
-- makes every function anew in each call, and more than half of such a call's time would go into
-- making the rest.
--
-- Behind an empty bucket the counters are told, too, as they stand: floods end here, so nothing lapses
-- and no companion key is looked at.

local function admitted(bucket)
  local full_in = pay(bucket, bucket.price)
  local clock_at = tonumber(call('HGET', KEYS[2], 'clock_at'))
  local now = clock_at and math.max(time, clock_at + 1) or 0
  return {DONE, time, now, -1, 0, 0, 0, floor_div(bucket.level, bucket.period), 0, full_in}
end

local function refused(bucket)
  local full_in = pay(bucket, 0)
  local left, wait = floor_div(bucket.level, bucket.period), wait_for(bucket, bucket.price)
  local told = call('HMGET', KEYS[2],
    'clock_at', 'generation', 'turns_used', 'turns_reserved', 'relationships_used')
  if not told[1] then return {RATE_LIMITED, time, 0, -1, 0, 0, 0, left, wait, full_in} end
  local now = math.max(time, told[1] + 1)
  return {RATE_LIMITED, time, now, told[2], told[3], told[4], told[5], left, wait, full_in}
end

if ARGV[1] == 'enter' then
  if not is_within(tonumber(ARGV[7]), tonumber(ARGV[8])) then
    return {PERIOD_MISMATCH, time, 0, -1, 0, 0, 0}
  end
  local bucket = read_bucket()
  return bucket.level < bucket.price and refused(bucket) or admitted(bucket)
end
