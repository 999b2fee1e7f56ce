-- Waits: when a refused item fits, if open reservations expire and nothing else happens. Reads only.

local MAX_SCANNED = 200       -- holds that a call reads to find free relationships; bounds its latency

-- Returns when `needed` of the open holds have expired; the hold of `own_turn` (or nil) counts for
-- none of them. Every hold keeps one turn, and overdue holds are the first ones of KEYS[6].
local function expiry_of(needed, own_turn)
  if needed <= 0 then return time end
  local index = overdue + needed - 1
  local own_index = own_turn and call('ZRANK', KEYS[6], own_turn)
  if own_index and own_index <= index then index = index + 1 end
  return tonumber(call('ZRANGE', KEYS[6], index, index, 'WITHSCORES')[2])
end

-- Returns when the turns of `item` fit, or nil: charged turns alone leave no room. The reservation
-- of the item itself, which keeps `own_turns`, may expire meanwhile and is never in its way.
local function turns_fit_at(item, own_turns)
  if quota.turns_limit < 0 then return time end
  if exceeds(quota.turns_limit, quota.turns_used + item.turns) then return nil end
  local taken = quota.turns_used + quota.turns_reserved - overdue - own_turns
  return expiry_of(taken + item.turns - quota.turns_limit, item.turn)
end

-- Reads the first open holds: turns, when each expires, and when the first unread one does (or nil).
local function first_holds()
  local found = call('ZRANGE', KEYS[6], overdue, overdue + MAX_SCANNED, 'WITHSCORES')
  local turns, expiries = {}, {}
  for i = 1, math.min(#found, 2 * MAX_SCANNED), 2 do
    table.insert(turns, found[i])
    table.insert(expiries, tonumber(found[i + 1]))
  end
  return turns, expiries, tonumber(found[2 * MAX_SCANNED + 2])
end

local releases                -- what `scan` has found, once per call

-- Finds when relationships lose their last reference: `gone_at` by relationship, `freed` in order.
local function scan()
  if releases then return releases end
  local turns, expiries, unread_at = first_holds()
  releases = {gone_at = {}, freed = {}, unread_at = unread_at}
  local left, texts = {}, turns[1] and call('HMGET', KEYS[4], unpack(turns)) or {}
  for i, text in ipairs(texts) do
    local relationship = parse_entry(text).relationship
    left[relationship] = (left[relationship] or references_of(relationship)) - 1
    if left[relationship] == 0 then
      releases.gone_at[relationship] = expiries[i]
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
  local freed_at = scan().freed[used + 1 - limit] or scan().unread_at
  return freed_at and math.max(from, freed_at)
end

-- Returns when a refused `item` fits: `time` if it fits now, 0 if only the period's end helps.
local function fits_at(item)
  local entry = recall(item.turn)
  local own_turns = entry and entry.state == 'reserved' and entry.turns or 0
  local from = turns_fit_at(item, own_turns)
  return from and relationship_fits_at(item.relationship, from) or 0
end

-- Returns when fewer than `most` reservations are open.
local function is_uncrowded_at(most)
  return expiry_of(quota.reservations - overdue - most + 1)
end
