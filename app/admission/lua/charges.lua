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
local UNCHARGED_EXHAUSTED = 8

-- Reads an item of four arguments: turn, turns, and two names of its relationship ('' = none):
-- - `relationship`: to count it under. For a long id this is a short one (ADR 30).
-- - `other_name`: the long id itself, under which an earlier release counted it.
-- A relationship that is counted under the second name in this period keeps it.
local function read_item(first)
  local item = {
    turn = ARGV[first], turns = tonumber(ARGV[first + 1]),
    relationship = ARGV[first + 2], other_name = ARGV[first + 3],
  }
  if item.other_name ~= '' and references_of(item.other_name) > 0 then
    item.relationship, item.other_name = item.other_name, item.relationship
  end
  return item
end

-- Returns true if an entry's relationship `name` is that of `item`, under either name.
local function is_relationship_of(item, name)
  return name == item.relationship or name ~= '' and name == item.other_name
end

local function is_exhausted(verdict)
  return verdict == TURNS_EXHAUSTED or verdict == RELATIONSHIPS_EXHAUSTED
    or verdict == UNCHARGED_EXHAUSTED
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
-- only what the item needs beyond it is judged. Overage lifts the limit of turns only: the others bound
-- what an account may store.
local function refusal(item, reservation, limits)
  if item.turns == 0 and not reservation then
    local is_spent = exceeds(quota.uncharged_limit, quota.uncharged_used + 1)
    return is_spent and UNCHARGED_EXHAUSTED or nil
  end
  local held = reservation and reservation.turns or 0
  local taken = quota.turns_used + quota.turns_reserved - backlog - held
  local has_no_room = exceeds(quota.turns_limit, taken + item.turns)
  if not limits.overage_allowed and item.turns > held and has_no_room then
    return TURNS_EXHAUSTED
  end
  local is_held = reservation and is_relationship_of(item, reservation.relationship)
  if item.relationship == '' or is_held or has_room_for(item.relationship, reservation) then
    return nil
  end
  return RELATIONSHIPS_EXHAUSTED
end

-- Returns the entry that stands against `item`, or nil. An uncharged turn gives way to the same turn
-- with a cost: it may never have been stored, and if it was, the ledger decides. It stays counted until
-- reconciliation, so that nobody makes room for more uncharged turns in this way.
local function standing_entry(item)
  local entry = current_entry(item.turn)
  local gives_way = entry and entry.state == 'charged' and entry.turns == 0 and item.turns > 0
  if not gives_way then return entry end
  item.replaces_uncharged = true
  return nil
end

-- Removes the entry of the uncharged turn that gives way to `item`, if there is one.
local function replace_uncharged(item)
  if item.replaces_uncharged then remove_entries({item.turn}, expiries_key) end
end

-- Returns the verdict on `item` if it were recorded now, and its entry: the charge that stands, or
-- the reservation that it would settle. A completion passes no `limits`: the quota never refuses it.
local function judge(item, limits)
  local entry = standing_entry(item)
  if not entry or entry.state == 'reserved' then
    return limits and refusal(item, entry, limits) or CHARGED, entry
  end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  local same = entry.turns == item.turns and is_relationship_of(item, entry.relationship)
  return same and REPLAYED or CONFLICT, entry
end

-- Moves the reference that `reservation` holds to the charge. Returns 1 if it counted the
-- relationship, else 0.
local function take_over(item, reservation)
  if is_relationship_of(item, reservation.relationship) then
    item.relationship = reservation.relationship  -- the reference stays under the name that it has
    return reservation.counted
  end
  drop_reference(reservation.relationship)
  return add_reference(item.relationship)
end

-- Counts `item` and settles `reservation` (or nil). Returns an instant that no other charge of the
-- account has, and 1 if it counted the relationship.
local function charge(item, reservation)
  local recorded_at, counted = tick(), nil
  if reservation then
    end_holds({item.turn}, {reservation})
    counted = take_over(item, reservation)
  end
  replace_uncharged(item)
  counted = counted or add_reference(item.relationship)
  quota.turns_used = quota.turns_used + item.turns
  quota.uncharged_used = quota.uncharged_used + uncharged_in(item)
  add_entry('charged', item, recorded_at, counted, time + CACHED_FOR)
  return recorded_at, counted
end

-- Does what the verdict allows. Returns verdict, recorded_at (0 if not charged), counted.
local function carry_out(item, verdict, entry)
  local recorded_at, counted = 0, 0
  if verdict == CHARGED then
    recorded_at, counted = charge(item, entry)
  elseif verdict == REPLAYED then
    recorded_at, counted = entry.recorded_at, entry.counted
  end
  return {verdict, recorded_at, counted}
end

-- Returns true if one of so many items might be refused only because the backlog holds relationships.
local function may_refuse_for_backlog(items_count, limits)
  return backlog > 0 and exceeds(limits.relationships_limit, quota.relationships_used + items_count)
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
