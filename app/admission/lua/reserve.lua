-- reserve: holds one turn and, if new, its relationship. A turn that is held in the previous period is
-- not held again. Refuses by quota as `admit` does.
-- Included last of what requests need, with `admit` (ADR 18).
-- ARGV 12… one item, see read_item; its turns are ignored, since a hold is of one
--      16 time to hold  17 how many reservations may be open
-- Result 12 verdict  13 instant of the reservation  14 counted  15 when the hold expires; if too many
--      are open, when few enough are

-- Returns the reservation of a turn in the account's previous period, or nil. The call may name no such
-- period, and the hold may have expired.
local function find_previous_hold(turn)
  local previous_turns_key, previous_holds_key = KEYS[7], KEYS[8]
  local expires_at = previous_holds_key and call('ZSCORE', previous_holds_key, turn)
  local text = expires_at and tonumber(expires_at) > time and call('HGET', previous_turns_key, turn)
  if not text then return nil end
  local entry = parse_entry(text)
  entry.expires_at = tonumber(expires_at)
  return entry
end

-- Returns why the quota has no room for a new reservation, or nil. Completions are never refused, so
-- they may exceed the ceiling of uncharged turns: from then on nothing more is reserved.
local function refusal_of_reservation(item, limits)
  if exceeds(quota.uncharged_limit, quota.uncharged_used) then return UNCHARGED_EXHAUSTED end
  return refusal(item, nil, limits)
end

-- Returns the verdict on `item` if it were reserved now, and its entry.
local function judge_reservation(item, limits, most_open)
  local entry = standing_entry(item) or find_previous_hold(item.turn)
  if not entry then
    local refused = refusal_of_reservation(item, limits)
    if refused then return refused end
    return quota.reservations - backlog < most_open and CHARGED or TOO_MANY_OPEN
  end
  if entry.state == 'charged' then return RECORDED, entry end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  return is_relationship_of(item, entry.relationship) and REPLAYED or CONFLICT, entry
end

-- Holds quota for `item` until `expires_at`. Its instant is the server's, which lies in the period
-- whatever instant was given out before.
local function hold(item, expires_at)
  replace_uncharged(item)
  local counted = add_reference(item.relationship)
  quota.turns_reserved = quota.turns_reserved + item.turns
  quota.reservations = quota.reservations + 1
  add_entry('reserved', item, time, counted, expires_at)
  return {CHARGED, time, counted, expires_at}
end

-- Returns the results of a turn that the quota refuses. It also waits until few enough are open.
local function refuse_reservation(item, verdict, limits, most_open)
  local when = waits(limits)
  local fits_at = when.fits_at(item, verdict)
  if fits_at > 0 then fits_at = math.max(fits_at, when.fewer_open_at(most_open)) end
  return {verdict, fits_at, 0, 0}
end

local function reserve()
  local limits = read_limits()
  local hold_time, most_open = four_numbers(16)
  local early_reply = open_to_charge(limits, 1)
  if early_reply then return early_reply end
  local item = read_item(12)
  item.turns = 1
  local function judged(results_of)
    local verdict, entry = judge_reservation(item, limits, most_open)
    if is_exhausted(verdict) then return refuse_reservation(item, verdict, limits, most_open) end
    return results_of(verdict, entry)
  end
  local function results_of(verdict, entry)
    if verdict == CHARGED then return hold(item, time + hold_time) end
    if verdict == REPLAYED then
      return {verdict, entry.recorded_at, entry.counted, entry.expires_at or hold_expires_at(item.turn)}
    end
    return {verdict, 0, 0, verdict == TOO_MANY_OPEN and waits(limits).fewer_open_at(most_open) or 0}
  end
  local function no_results() return {} end
  return decide(
    function() return judged(results_of) end,
    function() return judged(no_results) end
  )
end
