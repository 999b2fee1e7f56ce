-- Turns: how entries begin and are found again, the memory that makes a charge happen once.

local REMEMBERED_FOR = 300 * SECOND

-- The digits of a whole number, for texts, where Lua itself would cut them to 14. Commands and replies
-- get numbers as they are.
local function digits(number)
  return string.format('%.0f', number)
end

-- One more reference; 1 if the relationship is new in this period, else 0.
local function hold(relationship)
  if relationship == '' or call('HINCRBY', KEYS[3], relationship, 1) > 1 then return 0 end
  quota.relationships_used = quota.relationships_used + 1
  return 1
end

-- A turn that has no entry gets one, until `lapses_at`.
local function remember(state, item, recorded_at, counted, lapses_at)
  local entry = {state, item.turns, digits(recorded_at), counted, item.relationship}
  call('HSET', KEYS[4], item.turn, table.concat(entry, ' '))
  call('ZADD', state == 'reserved' and KEYS[6] or KEYS[5], lapses_at, item.turn)
  quota.remembered = quota.remembered + 1
  changed = true
end

local function hold_ends_at(turn)
  return tonumber(call('ZSCORE', KEYS[6], turn))
end

-- The reservation of a turn in the account's former period, if that is asked for and still holds.
local function held_before(turn)
  local ends_at = KEYS[8] and call('ZSCORE', KEYS[8], turn)
  local text = ends_at and tonumber(ends_at) > time and call('HGET', KEYS[7], turn)
  if not text then return nil end
  local entry = parse_entry(text)
  entry.ends_at = tonumber(ends_at)
  return entry
end

-- The entry of a turn, unless it means nothing any more.
-- A reservation may be overdue. Of charges, reconciliation has replaced those before `settled_at` by
-- what the ledger holds: such a turn is stored and will be found, or it never was and is charged anew.
local function recall(turn)
  local text = call('HGET', KEYS[4], turn)
  local entry = text and parse_entry(text)
  if not entry then return nil end
  if entry.state == 'reserved' and overdue > 0 and hold_ends_at(turn) <= time then
    release({turn}, {entry})
    drop(entry.relationship)
    overdue = overdue - 1
    return nil
  end
  if entry.state == 'charged' and entry.recorded_at < quota.settled_at then
    forget({turn})
    return nil
  end
  return entry
end
