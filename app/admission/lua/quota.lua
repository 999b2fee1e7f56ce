-- The quota hash: counters of one account in one billing period, copied from the ledger.
-- Included once `enter` has not ended the call: all other operations need it (ADR 18).

local FIELDS = {
  'turns_used', 'turns_reserved', 'turns_limit',
  'relationships_used', 'relationships_limit',
  'reservations',             -- entries of quota:turns that hold quota: one turn each
  'remembered',               -- all entries of quota:turns
  'period_start', 'period_end',
  'generation',               -- instant of seeding; the counters contain no charge before it
  'mark_at', 'mark_used',     -- watermark of reconciliation: its instant, the turns used before it
  'settled_at',               -- last watermark that was compared: turns before it are the ledger's
  'clock_at',                 -- last instant given out
  'uncharged_used',           -- recorded turns that cost nothing
  'uncharged_limit',
  'mark_uncharged',           -- uncharged turns before the watermark
}
-- The first fields are those of the first release. A later one that is missing reads as 0: to seed the
-- hash for it would lose every reservation. The next reconciliation adds what the ledger has (ADR 29).
local REQUIRED_COUNT = 14

-- A reservation is completed in its own period, at most 49 hours after it was made: an hour of hold, and
-- 48 hours to send the turn. `SETTLED_US` of app/usage/freezing.py waits as long. Change both together.
local KEPT_AFTER_PERIOD = 3 * DAY

local quota                   -- the fields as numbers; nil = a required one or a companion key is missing
local stored = {}             -- the fields as they were read
local changed = false
local backlog = 0             -- expired reservations that the fields still count

-- Returns true if the server's clock is in a billing period.
local function is_in_period(period_start, period_end)
  return time >= period_start and time < period_end
end

local function read_fields()
  local values, fields = call('HMGET', quota_key, unpack(FIELDS)), {}
  for i, field in ipairs(FIELDS) do
    local value = parse_number(values[i])
    if not value and i <= REQUIRED_COUNT then return nil end
    fields[field], stored[field] = value or 0, value
  end
  return fields
end

local function load_quota()
  local fields = read_fields()
  if fields
    and fields.relationships_used == call('HLEN', relationships_key)
    and fields.remembered == call('HLEN', turns_key)
    and fields.remembered - fields.reservations == call('ZCARD', expiries_key)
    and (fields.reservations == 0 or fields.reservations == call('ZCARD', holds_key))
  then
    quota = fields
  end
end

-- Writes the changed fields. All keys of an account expire together (KEYS 2 to 6): one that expired
-- first would look like a loss.
local function save_quota()
  if not changed then return end
  local changes = {}
  for _, field in ipairs(FIELDS) do
    if quota[field] ~= stored[field] then
      table.insert(changes, field)
      table.insert(changes, quota[field])
    end
  end
  if changes[1] then call('HSET', quota_key, unpack(changes)) end
  local kept = math.max(SECOND, quota.period_end + KEPT_AFTER_PERIOD - time)
  for i = 2, 6 do
    call('PEXPIRE', KEYS[i], ceil_div(kept, MILLISECOND))
  end
end

-- Returns the account's instant: later than every instant given out, even if the clock steps back.
local function instant()
  return math.max(time, quota.clock_at + 1)
end

-- Gives out the account's instant, once.
local function tick()
  quota.clock_at = instant()
  changed = true
  return quota.clock_at
end

-- Returns the first eight values of a reply.
local function reply(status)
  if not quota then return {status, time, 0, -1, 0, 0, 0, 0} end
  return {
    status, time, instant(), quota.generation,
    quota.turns_used, quota.turns_reserved - backlog, quota.relationships_used,
    quota.uncharged_used,
  }
end

-- Returns a reply with one or two results.
local function reply_with(status, first, second)
  local result = reply(status)
  result[9], result[10] = first, second
  return result
end
