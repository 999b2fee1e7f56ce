-- Turns: the references of relationships, and the memory that makes a charge happen once.

local REMEMBERED_FOR = 300 * SECOND
local MAX_LAPSES = 1000       -- of each kind in a call; bounds its latency

-- One more reference; 1 if the relationship is new in this period, else 0.
local function hold(relationship)
  if relationship == '' or call('HINCRBY', KEYS[3], relationship, 1) > 1 then return 0 end
  quota.relationships_used = quota.relationships_used + 1
  return 1
end

-- Sets the references of a relationship that has some; the last one gives its place back.
local function set_references(relationship, references)
  if references > 0 then
    call('HSET', KEYS[3], relationship, int(references))
  elseif call('HDEL', KEYS[3], relationship) == 1 then
    quota.relationships_used = quota.relationships_used - 1
  end
end

local function references_of(relationship)
  return tonumber(call('HGET', KEYS[3], relationship) or 0)
end

local function drop(relationship)
  if relationship ~= '' then set_references(relationship, references_of(relationship) - 1) end
end

local function parse_entry(entry)
  local state, turns, recorded_at, counted, relationship =
    string.match(entry, '^(%a+) (%d+) (%d+) ([01]) (.*)$')
  return {
    state = state, turns = tonumber(turns), recorded_at = tonumber(recorded_at),
    counted = tonumber(counted), relationship = relationship,
  }
end

-- A turn that has no entry gets one, until `lapses_at`.
local function remember(state, item, recorded_at, counted, lapses_at)
  local entry = {state, int(item.turns), int(recorded_at), counted, item.relationship}
  call('HSET', KEYS[4], item.turn, table.concat(entry, ' '))
  call('ZADD', state == 'reserved' and KEYS[6] or KEYS[5], int(lapses_at), item.turn)
  quota.remembered = quota.remembered + 1
  changed = true
end

-- The entries of `turns` end, all with their lapses in `key`.
local function forget(turns, key)
  call('HDEL', KEYS[4], unpack(turns))
  call('ZREM', key or KEYS[5], unpack(turns))
  quota.remembered = quota.remembered - #turns
  changed = true
end

-- Reservations end, and give back the turns that they held; their references are the caller's.
local function release(turns, entries)
  forget(turns, KEYS[6])
  quota.reservations = quota.reservations - #turns
  for _, entry in ipairs(entries) do
    quota.turns_reserved = quota.turns_reserved - entry.turns
  end
end

local function due_in(key)
  return call('ZRANGEBYSCORE', key, '-inf', int(time), 'LIMIT', 0, MAX_LAPSES)
end

-- Ends the reservations that are due, the oldest first, and tells how many. What is more than one
-- call may end is `overdue`: it counts no turn any more, only its relationship is still held.
local function lapse_holds()
  if quota.reservations == 0 then return 0 end
  local due, entries = due_in(KEYS[6]), {}
  if #due == 0 then return 0 end
  for i, entry in ipairs(call('HMGET', KEYS[4], unpack(due))) do entries[i] = parse_entry(entry) end
  release(due, entries)
  for _, entry in ipairs(entries) do drop(entry.relationship) end
  overdue = #due == MAX_LAPSES and call('ZCOUNT', KEYS[6], '-inf', int(time)) or 0
  return #due
end

-- Ends what is due; the rest waits for the next call.
local function lapse()
  local due = due_in(KEYS[5])
  if #due > 0 then forget(due) end
  lapse_holds()
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
