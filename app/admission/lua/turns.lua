-- Turns: reads and writes the entry of one turn. A charged turn stays in this replay cache for minutes,
-- so that it is charged once.
-- Included once the requests that charge no turn have ended (ADR 18).

local CACHED_FOR = 300 * SECOND

-- Adds a reference. Returns 1 if the relationship is new in this period, else 0.
local function add_reference(relationship)
  if relationship == '' or call('HINCRBY', relationships_key, relationship, 1) > 1 then return 0 end
  quota.relationships_used = quota.relationships_used + 1
  return 1
end

-- Adds an entry, until `expires_at`, for a turn that has none.
local function add_entry(state, item, recorded_at, counted, expires_at)
  call('HSET', turns_key, item.turn, format_entry(state, item, recorded_at, counted))
  call('ZADD', state == 'reserved' and holds_key or expiries_key, expires_at, item.turn)
  quota.remembered = quota.remembered + 1
  changed = true
end

-- Returns how many uncharged turns a charge counts: 1 if it costs nothing, else 0.
local function uncharged_in(charge)
  return charge.turns == 0 and 1 or 0
end

local function hold_expires_at(turn)
  return tonumber(call('ZSCORE', holds_key, turn))
end

-- Returns the entry of a turn as it stands now, or nil. May remove it: it removes
-- - a reservation of the backlog, and
-- - a charge before `settled_at`: reconciliation has replaced it by the ledger's count. Such a turn is
--   stored and will be found there, or it never was stored and is charged again.
local function current_entry(turn)
  local text = call('HGET', turns_key, turn)
  local entry = text and parse_entry(text)
  if not entry then return nil end
  if entry.state == 'reserved' and backlog > 0 and hold_expires_at(turn) <= time then
    end_hold(turn, entry)
    backlog = backlog - 1
    return nil
  end
  if entry.state == 'charged' and entry.recorded_at < quota.settled_at then
    remove_entries({turn}, expiries_key)
    return nil
  end
  return entry
end
