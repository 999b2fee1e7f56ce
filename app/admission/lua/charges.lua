-- Charges: judges one turn by the quota, and counts it.
-- Included after `refund`, for the operations that charge (ADR 18).

-- Verdicts on a turn. CHARGED is also a reservation that this call made or a turn that it cancelled,
-- and REPLAYED a reservation that was there.
local CHARGED = 0
local REPLAYED = 1
local TURNS_EXHAUSTED = 2
local RELATIONSHIPS_EXHAUSTED = 3
local CONFLICT = 4
local RECORDED = 5
local CANCELLED = 6
local TOO_MANY_OPEN = 7

local function is_exhausted(verdict)
  return verdict == TURNS_EXHAUSTED or verdict == RELATIONSHIPS_EXHAUSTED
end

local function exceeds(limit, wanted)
  return limit >= 0 and wanted > limit
end

-- Returns true if `relationship` is counted, or could be if `reservation` (or nil) dropped its own.
local function has_room_for(relationship, reservation)
  local used = quota.relationships_used
  if not exceeds(quota.relationships_limit, used + 1) then return true end
  if call('HEXISTS', relationships_key, relationship) == 1 then return true end
  local held = reservation and reservation.relationship or ''
  if held ~= '' and references_of(held) == 1 then used = used - 1 end
  return not exceeds(quota.relationships_limit, used + 1)
end

-- Returns why the quota has no room for `item`, or nil. Quota held by `reservation` (or nil) is promised:
-- only what the item needs beyond it is judged.
local function refusal(item, reservation, overage_allowed)
  if overage_allowed then return nil end
  local held = reservation and reservation.turns or 0
  local taken = quota.turns_used + quota.turns_reserved - backlog - held
  if item.turns > held and exceeds(quota.turns_limit, taken + item.turns) then
    return TURNS_EXHAUSTED
  end
  local is_held = reservation and reservation.relationship == item.relationship
  if item.relationship == '' or is_held or has_room_for(item.relationship, reservation) then
    return nil
  end
  return RELATIONSHIPS_EXHAUSTED
end

-- Returns the verdict on `item` if it were recorded now, and its entry: the charge that stands, or
-- the reservation that it would settle.
local function judge(item, overage_allowed)
  local entry = current_entry(item.turn)
  if not entry or entry.state == 'reserved' then
    return refusal(item, entry, overage_allowed) or CHARGED, entry
  end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  local same = entry.turns == item.turns and entry.relationship == item.relationship
  return same and REPLAYED or CONFLICT, entry
end

-- Moves the reference that `reservation` holds to the charge. Returns 1 if it counted the
-- relationship, else 0.
local function take_over(item, reservation)
  if reservation.relationship == item.relationship then return reservation.counted end
  drop_reference(reservation.relationship)
  return add_reference(item.relationship)
end

-- Counts `item` and settles `reservation` (or nil). Returns an instant that no other charge of the
-- account has, and 1 if it counted the relationship. A charge of no turns is not cached, since to
-- make it twice is harmless. A completion is, so that a later cancel finds it.
local function charge(item, reservation, is_completion)
  local recorded_at, counted = tick(), nil
  if reservation then
    end_holds({item.turn}, {reservation})
    counted = take_over(item, reservation)
  elseif item.turns == 0 and not is_completion then
    return recorded_at, 0
  end
  counted = counted or add_reference(item.relationship)
  quota.turns_used = quota.turns_used + item.turns
  add_entry('charged', item, recorded_at, counted, time + CACHED_FOR)
  return recorded_at, counted
end

-- Does what the verdict allows. Returns verdict, recorded_at (0 if not charged), counted.
local function carry_out(item, verdict, entry, is_completion)
  local recorded_at, counted = 0, 0
  if verdict == CHARGED then
    recorded_at, counted = charge(item, entry, is_completion)
  elseif verdict == REPLAYED then
    recorded_at, counted = entry.recorded_at, entry.counted
  end
  return {verdict, recorded_at, counted}
end

-- Returns true if one of so many items might be refused only because the backlog holds relationships.
local function may_refuse_for_backlog(items_count, limits)
  return backlog > 0 and not limits.overage_allowed
    and exceeds(limits.relationships_limit, quota.relationships_used + items_count)
end

-- Opens the current period to charge or hold so many items. Returns nil, or the reply that ends the
-- call. BACKLOG has only removed what has expired: the client calls again.
local function open_to_charge(limits, items_count)
  if not is_in_period(limits.period_start, limits.period_end) then return reply(PERIOD_MISMATCH) end
  open_under(limits)
  if not quota then return reply(NEED_SEED) end
  if not may_refuse_for_backlog(items_count, limits) then return nil end
  save_quota()
  return reply(BACKLOG)
end
