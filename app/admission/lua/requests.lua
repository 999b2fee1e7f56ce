-- Requests: each is one call that decides bucket and quota together. Behind the results of each come
-- verdicts, none behind an empty bucket, where nothing is done (but see refused_anyway).

local function no_results() return {} end

local function is_exhausted(verdict)
  return verdict == TURNS_EXHAUSTED or verdict == RELATIONSHIPS_EXHAUSTED
end

-- Adds to the verdicts of refused items when each fits, by what this call leaves behind.
local function add_waits(items, values)
  local fits_at
  for i, item in ipairs(items) do
    local first = 3 * i - 2
    if is_exhausted(values[first]) then
      fits_at = fits_at or waits().fits_at
      values[first + 1] = fits_at(item)
    end
  end
  return values
end

local function items_from(first)
  local items = {}
  for i = first, #ARGV, 3 do
    table.insert(items, {turn = ARGV[i], turns = tonumber(ARGV[i + 1]), relationship = ARGV[i + 2]})
  end
  return items
end

-- Does what the verdict allows; verdict, recorded_at (0 if not charged), counted.
local function carry_out(item, verdict, entry, is_completion)
  local recorded_at, counted = 0, 0
  if verdict == CHARGED then
    recorded_at, counted = charge(item, entry, is_completion)
  elseif verdict == REMEMBERED then
    recorded_at, counted = entry.recorded_at, entry.counted
  end
  return {verdict, recorded_at, counted}
end

-- Opens the present period to charge or hold so many items. Nil, or the reply that ends the call.
local function open_to_charge(items_count, overage_allowed)
  if not is_in_period(7) then return reply(PERIOD_MISMATCH) end
  open_in_force()
  if not quota then return reply(NEED_SEED) end
  if not lapses_go_on(items_count, overage_allowed) then return nil end
  save_quota()
  return reply(AGAIN)
end

-- admit: charges bucket and quota, or tells why not.
-- A lone item that the quota refuses is refused for that behind an empty bucket, too.
-- ARGV 12… turn, turns, relationship ('' = none), …. Result 11… verdict, recorded_at, counted, …
--      of an item that the quota refuses: verdict, when it fits (0 = not in this period), 0
local function admit()
  local items, overage_allowed = items_from(12), ARGV[11] == '1'
  local early = open_to_charge(#items, overage_allowed)
  if early then return early end
  local function charge_each()
    local values = {}
    for _, item in ipairs(items) do
      for _, value in ipairs(carry_out(item, judge(item, overage_allowed))) do
        table.insert(values, value)
      end
    end
    return add_waits(items, values)
  end
  return decide(charge_each, function()
    local verdict = #items == 1 and judge(items[1], overage_allowed)
    return is_exhausted(verdict) and add_waits(items, {verdict, 0, 0}) or {}
  end)
end

-- Holds a place for `item` where the verdict allows it; verdict, instant, counted, expiry.
local function carry_out_reservation(item, verdict, entry, most)
  if verdict == CHARGED then
    local expires_at = time + tonumber(ARGV[14])
    local reserved_at, counted = reserve_place(item, expires_at)
    return {verdict, reserved_at, counted, expires_at}
  elseif verdict == REMEMBERED then
    return {verdict, entry.recorded_at, entry.counted, entry.ends_at or hold_ends_at(item.turn)}
  end
  return {verdict, 0, 0, verdict == CROWDED and waits().is_uncrowded_at(most) or 0}
end

-- The results of a reservation that the quota refuses. It fits once so few are open, too.
local function refuse_reservation(item, verdict, most)
  local when = waits()
  local fits_at = when.fits_at(item)
  if fits_at > 0 then fits_at = math.max(fits_at, when.is_uncrowded_at(most)) end
  return {verdict, fits_at, 0, 0}
end

-- reserve: holds one turn and, if new, its relationship. A turn that is held in KEYS[7] and KEYS[8]
-- is not held again. A refusal by quota is as in admit.
-- ARGV 12 turn  13 relationship  14 time to hold  15 how many reservations may be open
-- Result 11 verdict  12 instant of the reservation  13 counted  14 when it expires; when few enough
--      are open, if too many are
local function reserve()
  local item = {turn = ARGV[12], turns = 1, relationship = ARGV[13]}
  local overage_allowed, most = ARGV[11] == '1', tonumber(ARGV[15])
  local early = open_to_charge(1, overage_allowed)
  if early then return early end
  local function judged(carry_out_if_admitted)
    local verdict, entry = judge_reservation(item, overage_allowed, most)
    if is_exhausted(verdict) then return refuse_reservation(item, verdict, most) end
    return carry_out_if_admitted(item, verdict, entry, most)
  end
  return decide(
    function() return judged(carry_out_reservation) end,
    function() return judged(no_results) end
  )
end

-- Opens the period in which a turn is settled: that of its reservation, which may have ended. If it
-- has, and knows nothing of the turn, the present one is; whoever asks only claims when it reserved.
-- Nil, or the reply that ends the call.
local function open_to_settle(turn)
  open_in_force()
  local is_present = is_in_period(7)
  if not is_present and not (quota and recall(turn)) then
    save_quota()
    return reply(PERIOD_MISMATCH)
  end
  return not quota and reply(NEED_SEED) or nil
end

-- complete: charges a turn, never refused for quota, and settles its reservation if it is still
-- there. In a period that has ended KEYS[7] is the present one's.
-- ARGV 12 turn  13 turns  14 relationship. Result 11 verdict  12 recorded_at  13 counted
local function complete()
  local early = open_to_settle(ARGV[12])
  if early then return early end
  return decide(function()
    local item = items_from(12)[1]
    local verdict, entry = judge(item, true)
    if verdict == CHARGED and KEYS[7] then share_clock(KEYS[7]) end
    return carry_out(item, verdict, entry, true)
  end, no_results)
end

-- cancel: gives a reservation back, and keeps its turn from being completed for a while.
-- ARGV 12 turn  13 '0' = only give it back. Result 11 verdict, CHARGED or RECORDED  12 0  13 0
local function cancel()
  local early = open_to_settle(ARGV[12])
  if early then return early end
  return decide(function() return {cancel_turn(ARGV[12], ARGV[13] ~= '0'), 0, 0} end, no_results)
end

local REQUESTS = {admit = admit, reserve = reserve, complete = complete, cancel = cancel}
if REQUESTS[ARGV[1]] then return REQUESTS[ARGV[1]]() end
