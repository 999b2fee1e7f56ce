-- Admission: token bucket and quota, decided together. Behind an empty bucket nothing is done; else
-- each turn is charged whole or not at all.
-- Parts, run as one script: prelude, bucket, enter, quota, lapses, decide, turns, charges, waits,
-- requests, operations.
--
-- KEYS  1  bucket                 hash        level, at
--       2  quota                  hash        the FIELDS of quota.lua, for one account and period
--       3  quota:relationships    hash        relationship -> references; its length is what counts
--       4  quota:turns            hash        turn -> "state turns recorded_at counted relationship"
--       5  quota:lapses           sorted set  turn -> instant at which it is forgotten
--       6  quota:holds            sorted set  reserved turn -> instant at which its hold ends;
--                                             a turn of quota:turns is either here or in 5
--       7  staging (stage, seed)  hash        becomes quota:relationships
--          present (complete)     hash        the quota of the account's present period
--          former (reserve)       hash        quota:turns of the account's former period
--       8  former holds (reserve) sorted set  quota:holds of the same
--       A bucket without quota (an address) passes KEYS[1] alone.
-- ARGV  1  operation
--       2  instant, for tests only; '' = the server's clock
--       3… arguments of the operation, told at its function in enter.lua, requests.lua or
--          operations.lua; those of each request begin with
--       3  tokens refilled every  4 period  5 burst  6 tokens to take (0 = only look)
--          and with a quota: 7 period_start  8 period_end  9 turns_limit  10 relationships_limit
--          (-1 = none)  11 overage ('1' = never refuse)
-- Reply 1  status, one of those below
--       2  instant on the server's clock
--       3  instant of the account: later than every instant given out so far; 0 = no quota loaded
--       4  generation of the quota; -1 = none loaded, or not told, and 5 to 7 mean nothing
--       5  turns used   6 turns reserved   7 relationships used
--       8… results of the operation; those of each request begin with
--       8  whole tokens left  9 wait until the tokens are there  10 time to full
-- Units Instants and durations are whole microseconds, a bucket's level is tokens x period.
--       Every number is a whole one below 2^53, so Lua's doubles hold it exactly, and so does what
--       the server makes of it in a command (17 digits) and in a reply.

local DONE, RATE_LIMITED, NEED_SEED, PERIOD_MISMATCH, STALE, AGAIN = 0, 1, 2, 3, 4, 5

local MILLISECOND, SECOND = 1000, 1000000
local DAY = 86400 * SECOND
local MOST = 2 ^ 53

local call = redis.call

-- The number in a text; nil for any other text, and for a number that a double does not hold exactly.
local function number(text)
  local value = tonumber(text)
  if value and value > -MOST and value < MOST then return value end
end

-- Quotients by fmod, which is exact; dividing first would round above 2^53.
local function floor_div(number, divisor)
  return (number - math.fmod(number, divisor)) / divisor
end

local function ceil_div(number, divisor)
  return floor_div(number, divisor) + (math.fmod(number, divisor) > 0 and 1 or 0)
end

local time
if ARGV[2] == '' then
  local now = call('TIME')
  time = tonumber(now[1]) * SECOND + tonumber(now[2])
else
  time = tonumber(ARGV[2])
end

-- Whether the present lies in the period that ARGV tells, from `first` on.
local function is_in_period(first)
  return time >= tonumber(ARGV[first]) and time < tonumber(ARGV[first + 1])
end
