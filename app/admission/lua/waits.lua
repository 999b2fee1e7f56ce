-- Waits: when a refused item fits, if open reservations expire and nothing else happens. These
-- functions write nothing.
-- Included before `admit` and `reserve`: only these are refused by quota (ADR 18).

local MAX_SCANNED = 50        -- holds that a call reads for relationships; bounds its latency

-- Makes the functions below; calls that refuse nothing go without them (ADR 18).
local function waits(limits)
  -- Returns when `needed` of the open holds have expired, without the one at `own_index` (or nil).
  -- Every hold keeps one turn, and the backlog comes first in the sorted set.
  local function expiry_of(needed, own_index)
    if needed <= 0 then return time end
    local index = backlog + needed - 1
    if own_index and own_index <= index then index = index + 1 end
    return tonumber(call('ZRANGE', holds_key, index, index, 'WITHSCORES')[2])
  end

  -- Returns when the turns of `item` fit; nil if charged turns alone leave no room. The item's own
  -- reservation may expire meanwhile and is never in its way.
  local function turns_fit_at(item)
    local limit, taken = quota.turns_limit, quota.turns_used + quota.turns_reserved - backlog
    if limits.overage_allowed or not exceeds(limit, taken + item.turns) then return time end
    if exceeds(limit, quota.turns_used + item.turns) then return nil end
    local own_index = call('ZRANK', holds_key, item.turn)
    return expiry_of(taken + item.turns - limit - (own_index and 1 or 0), own_index)
  end

  -- Reads the first open holds: the relationship of each, when each expires, and when the first
  -- unread one does (or nil).
  local function first_holds()
    local found = call('ZRANGE', holds_key, backlog, backlog + MAX_SCANNED, 'WITHSCORES')
    local names, expiries, turns = {}, {}, {}
    for i = 1, math.min(#found / 2, MAX_SCANNED) do
      turns[i], expiries[i] = found[2 * i - 1], tonumber(found[2 * i])
    end
    for i, text in ipairs(turns[1] and call('HMGET', turns_key, unpack(turns)) or {}) do
      names[i] = parse_entry(text).relationship
    end
    return names, expiries, tonumber(found[2 * MAX_SCANNED + 2])
  end

  local releases                -- what `scan` has found, once per call

  -- Finds when relationships lose their last reference: `gone_at` by name, `freed` in order.
  local function scan()
    if releases then return releases end
    local names, expiries, unread_at = first_holds()
    releases = {gone_at = {}, freed = {}, unread_at = unread_at}
    local references, ended = names[1] and call('HMGET', relationships_key, unpack(names)) or {}, {}
    for i, name in ipairs(names) do
      ended[name] = (ended[name] or 0) + 1
      if ended[name] == tonumber(references[i] or 0) then
        releases.gone_at[name] = expiries[i]
        table.insert(releases.freed, expiries[i])
      end
    end
    return releases
  end

  -- Returns when `relationship` can be counted, `from` or later; nil: not before the period ends.
  -- If the holds that were read free too few relationships, the next hold's expiry is returned: the
  -- caller may be refused then, but learns more.
  local function relationship_fits_at(relationship, from)
    local used, limit = quota.relationships_used, quota.relationships_limit
    if relationship == '' or not exceeds(limit, used + 1) then return from end
    if references_of(relationship) > 0 then
      if used <= limit then return from end
      local gone_at = scan().gone_at[relationship]
      if not gone_at or gone_at > from then return from end
    end
    -- A reservation of the item itself counts like any other: the wait is never too short for that.
    local freed_at = scan().freed[used + 1 - limit] or scan().unread_at
    return freed_at and math.max(from, freed_at)
  end

  -- Returns when an item that was refused with `verdict` fits: `time` if it fits now, 0 if only the
  -- period's end helps. No hold that expires makes room under the ceiling of uncharged turns.
  local function fits_at(item, verdict)
    if verdict == UNCHARGED_EXHAUSTED then return 0 end
    local from = turns_fit_at(item)
    return from and relationship_fits_at(item.relationship, from) or 0
  end

  -- Returns when fewer than `most_open` reservations are open.
  local function fewer_open_at(most_open)
    return expiry_of(quota.reservations - backlog - most_open + 1)
  end

  return {fits_at = fits_at, fewer_open_at = fewer_open_at}
end
