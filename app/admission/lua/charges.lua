-- Charges and reservations: what becomes of one turn, and what that does to the counters.

-- What became of a turn. CHARGED is also a reservation made or a turn cancelled by this call, and
-- REMEMBERED a reservation that was there.
local CHARGED, REMEMBERED, TURNS_EXHAUSTED, RELATIONSHIPS_EXHAUSTED, CONFLICT = 0, 1, 2, 3, 4
local RECORDED, CANCELLED, CROWDED = 5, 6, 7

local function exceeds(limit, wanted)
  return limit >= 0 and wanted > limit
end

-- Whether `relationship` has a place, or would get one if `reservation` (or nil) gave its own back.
local function has_place(relationship, reservation)
  local used = quota.relationships_used
  if not exceeds(quota.relationships_limit, used + 1) then return true end
  if call('HEXISTS', KEYS[3], relationship) == 1 then return true end
  local held = reservation and reservation.relationship or ''
  if held ~= '' and references_of(held) == 1 then used = used - 1 end
  return not exceeds(quota.relationships_limit, used + 1)
end

-- Why the quota has no room for `item`, or nil. What `reservation` (or nil) holds is promised:
-- only what is more than that is judged.
local function refusal(item, reservation, overage_allowed)
  if overage_allowed then return nil end
  local held = reservation and reservation.turns or 0
  local taken = quota.turns_used + quota.turns_reserved - overdue - held
  if item.turns > held and exceeds(quota.turns_limit, taken + item.turns) then
    return TURNS_EXHAUSTED
  end
  local is_held = reservation and reservation.relationship == item.relationship
  if item.relationship == '' or is_held or has_place(item.relationship, reservation) then
    return nil
  end
  return RELATIONSHIPS_EXHAUSTED
end

-- Whether a refusal of one of so many items might be wrong, since what is overdue may still hold
-- the place. Then only lapses have been ended, and the call is to be made again.
local function lapses_go_on(items_count, overage_allowed)
  return overdue > 0 and not overage_allowed
    and exceeds(quota.relationships_limit, quota.relationships_used + items_count)
end

-- What would become of `item` if it were recorded now; and its entry: the charge that stands, or
-- the reservation that it would settle.
local function judge(item, overage_allowed)
  local entry = recall(item.turn)
  if not entry or entry.state == 'reserved' then
    return refusal(item, entry, overage_allowed) or CHARGED, entry
  end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  local same = entry.turns == item.turns and entry.relationship == item.relationship
  return same and REMEMBERED or CONFLICT, entry
end

-- What would become of `item` if it were reserved now, and its entry.
local function judge_reservation(item, overage_allowed, most_reservations)
  local entry = recall(item.turn) or held_before(item.turn)
  if not entry then
    local refused = refusal(item, nil, overage_allowed)
    if refused then return refused end
    return quota.reservations - overdue < most_reservations and CHARGED or CROWDED
  end
  if entry.state == 'charged' then return RECORDED, entry end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  return entry.relationship == item.relationship and REMEMBERED or CONFLICT, entry
end

-- The reference that `reservation` holds becomes the charge's; 1 if it took a place, else 0.
local function take_over(item, reservation)
  if reservation.relationship == item.relationship then return reservation.counted end
  drop(reservation.relationship)
  return hold(item.relationship)
end

-- Counts `item`, which settles `reservation` (or nil); its instant, which no other charge of the
-- account has, and 1 if it took a place. A charge of nothing needs no memory, since to make it
-- twice is harmless, unless it has beaten a cancellation.
local function charge(item, reservation, is_completion)
  local recorded_at, counted = tick(), nil
  if reservation then
    release({item.turn}, {reservation})
    counted = take_over(item, reservation)
  elseif item.turns == 0 and not is_completion then
    return recorded_at, 0
  end
  counted = counted or hold(item.relationship)
  quota.turns_used = quota.turns_used + item.turns
  remember('charged', item, recorded_at, counted, time + REMEMBERED_FOR)
  return recorded_at, counted
end

-- Undoes the charge of that turn at that instant; false if there is none (any more).
local function take_back(turn, recorded_at)
  local entry = recall(turn)
  if not entry or entry.state ~= 'charged' or entry.recorded_at ~= recorded_at then return false end
  quota.turns_used = math.max(0, quota.turns_used - entry.turns)
  if recorded_at < quota.mark_at then quota.mark_used = quota.mark_used - entry.turns end
  drop(entry.relationship)
  forget({turn})
  return true
end

-- Holds a place for `item` until `lapses_at`. Its instant is the server's, which lies in the period
-- whatever has been given out before; the same two values as of a charge.
local function reserve_place(item, lapses_at)
  local counted = hold(item.relationship)
  quota.turns_reserved = quota.turns_reserved + item.turns
  quota.reservations = quota.reservations + 1
  remember('reserved', item, time, counted, lapses_at)
  return time, counted
end

-- Gives back what the turn holds, and remembers that it may not be completed.
local function cancel_turn(turn, is_remembered)
  local entry, lapses_at = recall(turn), time + REMEMBERED_FOR
  if entry and entry.state == 'charged' then return RECORDED end
  if entry and entry.state == 'cancelled' then
    lapses_at = math.max(lapses_at, tonumber(call('ZSCORE', KEYS[5], turn)))
    forget({turn})
  elseif entry then
    lapses_at = math.max(lapses_at, hold_ends_at(turn))
    release({turn}, {entry})
    drop(entry.relationship)
  end
  if not is_remembered then return CHARGED end
  remember('cancelled', {turn = turn, turns = 0, relationship = ''}, time, 0, lapses_at)
  return CHARGED
end
