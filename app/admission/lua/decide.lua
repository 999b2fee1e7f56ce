-- Decisions: bucket and quota together. What asks for no turns ends here, before the rest is made.
--
-- ARGV 3 tokens refilled every  4 period  5 burst  6 tokens to take (0 = only look)
--      and with a quota: 7 period_start  8 period_end  9 turns_limit  10 relationships_limit
--      (-1 = none)  11 overage ('1' = never refuse)
-- Result 8 whole tokens left  9 wait until the tokens are there  10 time to full

local function open_quota()
  load_quota()
  if quota then lapse() end
end

local function open_in_force()
  open_quota()
  if quota then
    quota.turns_limit, quota.relationships_limit = tonumber(ARGV[9]), tonumber(ARGV[10])
  end
end

-- Pays the bucket and does what was asked (`work`), or looks what the quota would have said.
local function decide(work, look)
  local bucket = read_bucket(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
  local price = tonumber(ARGV[6]) * bucket.period
  local wait = wait_for(bucket, price)
  local values = (wait == 0 and work or look)()
  local full_in = pay(bucket, wait == 0 and price or 0)
  save_quota()
  local result = reply(wait == 0 and DONE or RATE_LIMITED)
  table.insert(result, floor_div(bucket.level, bucket.period))
  table.insert(result, wait)
  table.insert(result, full_in)
  for _, value in ipairs(values) do table.insert(result, value) end
  return result
end

local function no_results() return {} end

-- Opens the quota, if there is one, only to tell its counters.
local function look_only()
  if KEYS[2] then open_in_force() end
  return {}
end

-- admit without turns: as in requests.lua, but a missing quota is no obstacle.
-- enter: the same, but for who was admitted in enter.lua.
if ARGV[1] == 'enter' or ARGV[1] == 'admit' and not ARGV[12] then
  if KEYS[2] and not is_within(tonumber(ARGV[7]), tonumber(ARGV[8])) then
    return reply(PERIOD_MISMATCH)
  end
  return decide(look_only, look_only)
end
