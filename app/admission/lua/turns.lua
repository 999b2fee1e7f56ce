-- Turns: what a charge does to the counters, and the memory that makes it happen once.

local CHARGED, REMEMBERED, TURNS_EXHAUSTED, RELATIONSHIPS_EXHAUSTED, CONFLICT = 0, 1, 2, 3, 4

local REMEMBERED_FOR = 300 * SECOND
local MAX_LAPSES = 1000       -- a call; bounds its latency

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

local function recall(turn)
  local entry = call('HGET', KEYS[4], turn)
  if not entry then return nil end
  local state, turns, recorded_at, counted, relationship =
    string.match(entry, '^(%a+) (%d+) (%d+) ([01]) (.*)$')
  return {
    state = state, turns = tonumber(turns), recorded_at = tonumber(recorded_at),
    counted = tonumber(counted), relationship = relationship,
  }
end

local function remember(state, item, recorded_at, counted)
  local entry = {state, int(item.turns), int(recorded_at), counted, item.relationship}
  call('HSET', KEYS[4], item.turn, table.concat(entry, ' '))
  call('ZADD', KEYS[5], int(time + REMEMBERED_FOR), item.turn)
  quota.remembered = quota.remembered + 1
end

local function forget(turns)
  call('HDEL', KEYS[4], unpack(turns))
  call('ZREM', KEYS[5], unpack(turns))
  quota.remembered = quota.remembered - #turns
  changed = true
end

-- Ends what is due, the oldest first; the rest waits for the next call.
local function lapse()
  local due = call('ZRANGEBYSCORE', KEYS[5], '-inf', int(time), 'LIMIT', 0, MAX_LAPSES)
  if #due > 0 then forget(due) end
end

local function exceeds(limit, wanted)
  return limit >= 0 and wanted > limit
end

-- The entry of a turn whose charge is still in the counters. Reconciliation has replaced those
-- before `settled_at` by what the ledger holds: such a turn is stored and will be found, or it never
-- was and is charged anew.
local function recall_unsettled(turn)
  local entry = recall(turn)
  if not entry or entry.state ~= 'charged' or entry.recorded_at >= quota.settled_at then
    return entry
  end
  forget({turn})
  return nil
end

-- What would become of `item` now, and its entry if it is remembered. A turn that costs nothing
-- needs no memory: to charge it twice is harmless.
local function judge(item, overage_allowed)
  if item.turns == 0 then return CHARGED end
  local entry = recall_unsettled(item.turn)
  if entry then
    local same = entry.turns == item.turns and entry.relationship == item.relationship
    return same and REMEMBERED or CONFLICT, entry
  end
  if overage_allowed then return CHARGED end
  if exceeds(quota.turns_limit, quota.turns_used + quota.turns_reserved + item.turns) then
    return TURNS_EXHAUSTED
  end
  if item.relationship ~= ''
    and exceeds(quota.relationships_limit, quota.relationships_used + 1)
    and call('HEXISTS', KEYS[3], item.relationship) == 0
  then
    return RELATIONSHIPS_EXHAUSTED
  end
  return CHARGED
end

-- Counts `item`; its instant, which no other charge of the account has, and 1 if it took a place.
local function charge(item)
  local recorded_at = tick()
  if item.turns == 0 then return recorded_at, 0 end
  quota.turns_used = quota.turns_used + item.turns
  local counted = hold(item.relationship)
  remember('charged', item, recorded_at, counted)
  return recorded_at, counted
end

-- Undoes the charge of that turn at that instant; false if there is none (any more).
local function take_back(turn, recorded_at)
  local entry = recall_unsettled(turn)
  if not entry or entry.state ~= 'charged' or entry.recorded_at ~= recorded_at then return false end
  quota.turns_used = math.max(0, quota.turns_used - entry.turns)
  if recorded_at < quota.mark_at then quota.mark_used = quota.mark_used - entry.turns end
  drop(entry.relationship)
  forget({turn})
  return true
end
