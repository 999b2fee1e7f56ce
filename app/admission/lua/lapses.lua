-- Lapses: how references, entries and reservations end; any call that opens the quota may meet some
-- that are due.

local MAX_LAPSES = 1000       -- of each kind in a call; bounds its latency

-- Sets the references of a relationship that has some; the last one gives its place back.
local function set_references(relationship, references)
  if references > 0 then
    call('HSET', KEYS[3], relationship, references)
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
  return call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, MAX_LAPSES)
end

-- Ends the reservations that are due, the oldest first. What is more than one call may end is
-- `overdue`: it counts no turn any more, only its relationship is still held.
local function lapse_holds()
  if quota.reservations == 0 then return end
  local due, entries = due_in(KEYS[6]), {}
  if #due == 0 then return end
  for i, entry in ipairs(call('HMGET', KEYS[4], unpack(due))) do entries[i] = parse_entry(entry) end
  release(due, entries)
  for _, entry in ipairs(entries) do drop(entry.relationship) end
  overdue = #due == MAX_LAPSES and call('ZCOUNT', KEYS[6], '-inf', time) or 0
end

-- Ends what is due; the rest waits for the next call.
local function lapse()
  if quota.remembered > quota.reservations then
    local due = due_in(KEYS[5])
    if #due > 0 then forget(due) end
  end
  lapse_holds()
end
