-- References of relationships: how many charged turns and open reservations name each one.
-- Included with the quota, since expiry drops references (ADR 18).

local function references_of(relationship)
  return tonumber(call('HGET', relationships_key, relationship) or 0)
end

-- Sets the references of a relationship that has some. One without references is not counted.
local function set_references(relationship, references)
  if references > 0 then
    call('HSET', relationships_key, relationship, references)
  elseif call('HDEL', relationships_key, relationship) == 1 then
    quota.relationships_used = quota.relationships_used - 1
  end
end

local function drop_reference(relationship)
  if relationship ~= '' then set_references(relationship, references_of(relationship) - 1) end
end
