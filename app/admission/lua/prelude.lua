-- Names for every operation: statuses, units, keys, numbers and the server's clock.
-- Included first, in every call.

local DONE = 0
local RATE_LIMITED = 1
local NEED_SEED = 2
local PERIOD_MISMATCH = 3
local STALE = 4
local BACKLOG = 5

local MILLISECOND = 1000
local SECOND = 1000000
local DAY = 86400 * SECOND
local EXACT_BELOW = 2 ^ 53

local call = redis.call
local operation = ARGV[1]
local bucket_key, quota_key, relationships_key, turns_key, expiries_key, holds_key = unpack(KEYS)

-- Returns the number in a stored text. Nil for any other text, and for a number that a double does not
-- hold exactly.
local function parse_number(text)
  local value = tonumber(text)
  if value and value > -EXACT_BELOW and value < EXACT_BELOW then return value end
end

-- Unpacks four arguments from `first` on as numbers. Missing ones are nil.
local function four_numbers(first)
  return tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]),
    tonumber(ARGV[first + 3])
end

-- Divides by fmod, which is exact. A division before rounding would be wrong above 2^53.
local function floor_div(number, divisor)
  return (number - math.fmod(number, divisor)) / divisor
end

local function ceil_div(number, divisor)
  return floor_div(number, divisor) + (math.fmod(number, divisor) > 0 and 1 or 0)
end

local seconds, microseconds = unpack(call('TIME'))
local time = tonumber(seconds) * SECOND + tonumber(microseconds)
