-- The quota hash: counters of one account in one billing period, copied from the ledger.

local FIELDS = {
  'turns_used', 'turns_reserved', 'turns_limit',
  'relationships_used', 'relationships_limit',
  'reservations',             -- entries of quota:turns that hold a place; each holds one turn
  'remembered',               -- all entries of quota:turns
  'period_start', 'period_end',
  'generation',               -- instant of seeding: an older charge is not in these counters
  'mark_at', 'mark_used',     -- reconciliation: used by charges made before that instant
  'settled_at',               -- the last mark that was compared: what is older is the ledger's count
  'clock_at',                 -- last instant given out
}
local KEPT_AFTER_PERIOD = 3 * DAY

local quota                   -- the fields as numbers; nil = missing, or a companion key was lost
local stored = {}             -- the same as they were found
local changed = false
local overdue = 0             -- reservations that have lapsed and are still counted in the fields

local function read_fields()
  local values, fields = call('HMGET', KEYS[2], unpack(FIELDS)), {}
  for i, field in ipairs(FIELDS) do
    local value = number(values[i])
    if not value then return nil end
    fields[field], stored[field] = value, value
  end
  return fields
end

local function load_quota()
  local fields = read_fields()
  if fields
    and fields.relationships_used == call('HLEN', KEYS[3])
    and fields.remembered == call('HLEN', KEYS[4])
    and fields.remembered - fields.reservations == call('ZCARD', KEYS[5])
    and (fields.reservations == 0 or fields.reservations == call('ZCARD', KEYS[6]))
  then
    quota = fields
  end
end

-- All keys of an account expire together: one that went first would look like a loss.
local function save_quota()
  if not changed then return end
  local changes = {}
  for _, field in ipairs(FIELDS) do
    if quota[field] ~= stored[field] then
      table.insert(changes, field)
      table.insert(changes, quota[field])
    end
  end
  if changes[1] then call('HSET', KEYS[2], unpack(changes)) end
  local kept = math.max(SECOND, quota.period_end + KEPT_AFTER_PERIOD - time)
  for i = 2, 6 do
    call('PEXPIRE', KEYS[i], ceil_div(kept, MILLISECOND))
  end
end

-- The account's present: never at or before an instant given out, even if the clock steps back.
local function instant()
  return math.max(time, quota.clock_at + 1)
end

-- Gives the present out, once.
local function tick()
  quota.clock_at = instant()
  changed = true
  return quota.clock_at
end

-- Two periods of an account give instants out in one order, so that who reads by the clock of the
-- present one misses nothing that goes to a former one. Before a tick; `key` is the other quota.
local function share_clock(key)
  local clock_at = number(call('HGET', key, 'clock_at'))
  if not clock_at then return end
  quota.clock_at = math.max(quota.clock_at, clock_at)
  call('HSET', key, 'clock_at', instant())
end

-- The first seven values of every reply.
local function reply(status)
  if not quota then return {status, time, 0, -1, 0, 0, 0} end
  return {
    status, time, instant(), quota.generation,
    quota.turns_used, quota.turns_reserved - overdue, quota.relationships_used,
  }
end

-- The same with one result behind it.
local function reply_with(status, value)
  local result = reply(status)
  table.insert(result, value)
  return result
end
