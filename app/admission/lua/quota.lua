-- The quota hash: counters of one account in one billing period, copied from the ledger.

local FIELDS = {
  'turns_used', 'turns_reserved', 'turns_limit',
  'relationships_used', 'relationships_limit',
  'reservations',             -- entries of quota:turns that hold a place
  'remembered',               -- all entries of quota:turns
  'period_start', 'period_end',
  'generation',               -- instant of seeding: an older charge is not in these counters
  'mark_at', 'mark_used',     -- reconciliation: used by charges made before that instant
  'settled_at',               -- the last mark that was compared: what is older is the ledger's count
  'clock_at',                 -- last instant given out
}
local KEPT_AFTER_PERIOD = 3 * DAY

local quota                   -- the fields as numbers; nil = missing, or a companion key was lost
local changed = false

local function read_fields()
  local stored, fields = call('HMGET', KEYS[2], unpack(FIELDS)), {}
  for i, field in ipairs(FIELDS) do
    fields[field] = stored[i] and tonumber(stored[i])
    if not fields[field] then return nil end
  end
  return fields
end

local function load_quota()
  local fields = read_fields()
  if fields
    and fields.relationships_used == call('HLEN', KEYS[3])
    and fields.remembered == call('HLEN', KEYS[4])
    and fields.remembered == call('ZCARD', KEYS[5])
  then
    quota = fields
  end
end

-- All keys of an account expire together: one that went first would look like a loss.
local function save_quota()
  if not changed then return end
  local pairs_of_hash = {}
  for _, field in ipairs(FIELDS) do
    table.insert(pairs_of_hash, field)
    table.insert(pairs_of_hash, int(quota[field]))
  end
  call('HSET', KEYS[2], unpack(pairs_of_hash))
  local kept = math.max(SECOND, quota.period_end + KEPT_AFTER_PERIOD - time)
  for i = 2, 5 do
    call('PEXPIRE', KEYS[i], int(ceil_div(kept, MILLISECOND)))
  end
end

-- The account's present: never at or before an instant given out, even if the clock steps back.
local function instant()
  return quota and math.max(time, quota.clock_at + 1) or time
end

-- Gives the present out, once.
local function tick()
  quota.clock_at = instant()
  changed = true
  return quota.clock_at
end

-- The first seven values of every reply.
local function reply(status)
  if not quota then return {status, int(time), int(time), -1, 0, 0, 0} end
  return {
    status, int(time), int(instant()), int(quota.generation),
    quota.turns_used, quota.turns_reserved, quota.relationships_used,
  }
end
