-- The bucket: an absent one is full, so expiry loses nothing.

local MAX_STEP_BACK = SECOND

-- Refills up to the present. A clock that stepped back is followed at once: a stale instant would
-- freeze the bucket until it is reached again.
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

-- The bucket of a request, as it is now, and the price of what it takes. A smaller plan clamps here.
local function read_bucket()
  local period = tonumber(ARGV[4])
  local capacity = tonumber(ARGV[5]) * period
  local bucket = {
    refilled = tonumber(ARGV[3]), period = period, capacity = capacity,
    price = tonumber(ARGV[6]) * period, level = capacity, at = time,
  }
  local stored = call('HMGET', KEYS[1], 'level', 'at')
  local level, at = number(stored[1]), number(stored[2])
  if level and at then
    bucket.level, bucket.at = math.min(capacity, level), at
    refill(bucket)
  end
  return bucket
end

-- Time until the bucket holds `level`, from now.
local function wait_for(bucket, level)
  if bucket.level >= level then return 0 end
  return ceil_div(level - bucket.level, bucket.refilled) + bucket.at - time
end

-- Takes `amount` of the level, and tells the time to full; what takes nothing writes nothing.
local function pay(bucket, amount)
  bucket.level = bucket.level - amount
  local full_in = wait_for(bucket, bucket.capacity)
  if amount > 0 or bucket.must_write then
    call('HSET', KEYS[1], 'level', bucket.level, 'at', bucket.at)
    call('PEXPIRE', KEYS[1], ceil_div(full_in + SECOND, MILLISECOND))
  end
  return full_in
end
