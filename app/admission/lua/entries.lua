-- Entries of quota:turns. An entry is the text "state turns recorded_at counted relationship" of a turn
-- that is reserved, or was charged or cancelled minutes ago. `counted` is 1 if the turn was the first
-- of its relationship in the period.
-- Included with the quota, since expiry removes entries (ADR 18).

local function parse_entry(text)
  local state, turns, recorded_at, counted, relationship =
    string.match(text, '^(%a+) (%d+) (%d+) ([01]) (.*)$')
  return {
    state = state, turns = tonumber(turns), recorded_at = tonumber(recorded_at),
    counted = tonumber(counted), relationship = relationship,
  }
end

-- Writes the instant by a format, since Lua itself would cut it to 14 digits.
local function format_entry(state, item, recorded_at, counted)
  local instant_text = string.format('%.0f', recorded_at)
  return table.concat({state, item.turns, instant_text, counted, item.relationship}, ' ')
end

-- Removes the entries of `turns`, whose expiries are all in `key`.
local function remove_entries(turns, key)
  call('HDEL', turns_key, unpack(turns))
  call('ZREM', key, unpack(turns))
  quota.remembered = quota.remembered - #turns
  changed = true
end

-- Ends the reservations of `turns` and gives back the turns that they held. The caller drops the
-- references.
local function end_holds(turns, entries)
  remove_entries(turns, holds_key)
  quota.reservations = quota.reservations - #turns
  for _, entry in ipairs(entries) do
    quota.turns_reserved = quota.turns_reserved - entry.turns
  end
end

local function end_hold(turn, entry)
  end_holds({turn}, {entry})
  drop_reference(entry.relationship)
end
