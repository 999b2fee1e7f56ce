-- Settling: completes or cancels a turn that may be reserved.
-- Included before the waits: no quota refuses a completion or a cancel (ADR 18).

local function no_results() return {} end

-- Opens the period in which a turn is settled: that of its reservation, which may have ended.
-- Returns nil, or the reply that ends the call. PERIOD_MISMATCH: the period has ended and has no
-- entry of the turn, so its instant is only a claim and the client calls with the current period.
local function open_to_settle(turn)
  local limits = read_limits()
  open_under(limits)
  if not is_in_period(limits.period_start, limits.period_end) and not (quota and current_entry(turn)) then
    save_quota()
    return reply(PERIOD_MISMATCH)
  end
  return not quota and reply(NEED_SEED) or nil
end

-- Raises the clocks of this period and of the current one above each other. So a reader that starts
-- at the current period's instant misses no turn that is charged to an ended one. Call before a tick.
local function share_clock(current_quota_key)
  local clock_at = parse_number(call('HGET', current_quota_key, 'clock_at'))
  if not clock_at then return end
  quota.clock_at = math.max(quota.clock_at, clock_at)
  call('HSET', current_quota_key, 'clock_at', instant())
end

-- complete: charges turns, never refused by quota, and settles their reservations if they are still
-- there. The key of the current quota is given if this period may have ended: then there is one item.
-- ARGV 12… items, four arguments each, see read_item. Result 12… verdict, recorded_at, counted, …
local function complete()
  local current_quota_key = KEYS[7]
  local early_reply = open_to_settle(ARGV[12])
  if early_reply then return early_reply end
  return decide(function()
    local values = {}
    for first = 12, #ARGV, 4 do
      local item = read_item(first)
      local verdict, entry = judge(item)
      if verdict == CHARGED and current_quota_key then share_clock(current_quota_key) end
      for _, value in ipairs(carry_out(item, verdict, entry)) do table.insert(values, value) end
    end
    return values
  end, no_results)
end

-- Gives back what the turn holds. With `blocks_turn` it stays in the replay cache as cancelled: it can be
-- neither completed nor reserved for minutes, nor before its hold would have expired. Returns the verdict.
local function cancel_turn(turn, blocks_turn)
  local entry, expires_at = current_entry(turn), time + CACHED_FOR
  if entry and entry.state == 'charged' then return RECORDED end
  if entry and entry.state == 'cancelled' then
    expires_at = math.max(expires_at, tonumber(call('ZSCORE', expiries_key, turn)))
    remove_entries({turn}, expiries_key)
  elseif entry then
    expires_at = math.max(expires_at, hold_expires_at(turn))
    end_hold(turn, entry)
  end
  if not blocks_turn then return CHARGED end
  add_entry('cancelled', {turn = turn, turns = 0, relationship = ''}, time, 0, expires_at)
  return CHARGED
end

-- cancel: gives a reservation back.
-- ARGV 12 turn  13 '0' = do not cache the turn as cancelled
-- Result 12 verdict, CHARGED or RECORDED  13 0  14 0
local function cancel()
  local turn, blocks_turn = ARGV[12], ARGV[13] ~= '0'
  local early_reply = open_to_settle(turn)
  if early_reply then return early_reply end
  return decide(function() return {cancel_turn(turn, blocks_turn), 0, 0} end, no_results)
end
