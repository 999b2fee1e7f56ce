-- enter: takes a token, for who neither charges nor is told the quota, and tells the account's
-- instant. It ends here: Lua makes every function anew in each call, and nearly half of such a call's
-- time would go into making the rest. Behind an empty bucket the quota is told: see decide.lua.
--
-- ARGV and results as of a decision (decide.lua). Of the quota, reply 3 alone is told.

local function enter()
  local bucket = read_bucket(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
  local price = tonumber(ARGV[6]) * bucket.period
  if bucket.level < price then return nil end
  local full_in = pay(bucket, price)
  local clock_at = tonumber(call('HGET', KEYS[2], 'clock_at'))
  local now = clock_at and math.max(time, clock_at + 1) or 0
  return {DONE, time, now, -1, 0, 0, 0, floor_div(bucket.level, bucket.period), 0, full_in}
end

if ARGV[1] == 'enter' and is_within(tonumber(ARGV[7]), tonumber(ARGV[8])) then
  local admitted = enter()
  if admitted then return admitted end
end
