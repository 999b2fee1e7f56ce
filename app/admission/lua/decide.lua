-- Decisions: bucket and quota together. What asks for no turns ends here, before the functions for
-- turns are made.

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
  local bucket = read_bucket()
  local wait = wait_for(bucket, bucket.price)
  local values = (wait == 0 and work or look)()
  local full_in = pay(bucket, wait == 0 and bucket.price or 0)
  save_quota()
  local result = reply(wait == 0 and DONE or RATE_LIMITED)
  result[8], result[9], result[10] = floor_div(bucket.level, bucket.period), wait, full_in
  for i, value in ipairs(values) do result[10 + i] = value end
  return result
end

-- Opens the quota, if there is one, only to tell its counters.
local function look_only()
  if KEYS[2] then open_in_force() end
  return {}
end

-- admit without turns: as in requests.lua, but a missing quota is no obstacle. enter: the same, if it
-- has come so far.
if ARGV[1] == 'enter' or ARGV[1] == 'admit' and not ARGV[12] then
  if KEYS[2] and not is_in_period(7) then
    return reply(PERIOD_MISMATCH)
  end
  return decide(look_only, look_only)
end
