-- Expiry: a call that opens the quota first removes expired entries and reservations.
-- Included with the quota: whatever opens it first clears what has expired (ADR 18).

local MAX_EXPIRED = 1000      -- of each kind in a call; bounds its latency

local function expired_in(key)
  return call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, MAX_EXPIRED)
end

-- Ends expired reservations, the oldest first. Those beyond the bound of a call are the `backlog`: they
-- count no turns, and only their relationships are still held.
local function expire_holds()
  if quota.reservations == 0 then return end
  local expired, entries = expired_in(holds_key), {}
  if #expired == 0 then return end
  for i, text in ipairs(call('HMGET', turns_key, unpack(expired))) do entries[i] = parse_entry(text) end
  end_holds(expired, entries)
  for _, entry in ipairs(entries) do drop_reference(entry.relationship) end
  backlog = #expired == MAX_EXPIRED and call('ZCOUNT', holds_key, '-inf', time) or 0
end

-- Loads the quota and removes what has expired, up to the bound.
local function open_quota()
  load_quota()
  if not quota then return end
  if quota.remembered > quota.reservations then
    local expired = expired_in(expiries_key)
    if #expired > 0 then remove_entries(expired, expiries_key) end
  end
  expire_holds()
end
