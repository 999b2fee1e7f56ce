-- The token bucket. An absent one is full, so a key that expires loses nothing.
-- Included in every call: `enter` needs it before all else (ADR 18).

local MAX_STEP_BACK = SECOND

-- Refills the bucket up to now. If the clock stepped back, follows it at once: a stale instant would
-- stop the refill until the clock reaches it again.
local function refill(bucket)
  local elapsed = time - bucket.at
  if elapsed < -MAX_STEP_BACK then
    bucket.at, bucket.must_write = time, true
  elseif elapsed > 0 then
    if elapsed >= ceil_div(bucket.capacity - bucket.level, bucket.refilled) then
      bucket.level = bucket.capacity
    else
      bucket.level = bucket.level + elapsed * bucket.refilled
    end
    bucket.at = time
  end
end

-- Returns the bucket of a request as it is now, with the price of the tokens that the request takes.
-- A plan with a smaller burst lowers the level here.
local function read_bucket()
  local refilled, period, burst, tokens = four_numbers(2)
  local capacity = burst * period
  local bucket = {
    refilled = refilled, period = period, capacity = capacity,
    price = tokens * period, level = capacity, at = time,
  }
  local stored = call('HMGET', bucket_key, 'level', 'at')
  local level, at = parse_number(stored[1]), parse_number(stored[2])
  if level and at then
    bucket.level, bucket.at = math.min(capacity, level), at
    refill(bucket)
  end
  return bucket
end

-- Returns the time from now until the bucket holds `level`.
local function wait_for(bucket, level)
  if bucket.level >= level then return 0 end
  return ceil_div(level - bucket.level, bucket.refilled) + bucket.at - time
end

-- Takes `amount` of the level and returns the time until the bucket is full. Writes only a change.
local function pay(bucket, amount)
  bucket.level = bucket.level - amount
  local full_in = wait_for(bucket, bucket.capacity)
  if amount > 0 or bucket.must_write then
    call('HSET', bucket_key, 'level', bucket.level, 'at', bucket.at)
    call('PEXPIRE', bucket_key, ceil_div(full_in + SECOND, MILLISECOND))
  end
  return full_in
end
