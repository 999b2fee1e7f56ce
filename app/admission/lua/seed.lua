-- Seeding: fills a missing quota from the counts of the ledger.
-- Included before the functions of a decision, which it does not need (ADR 18).

-- stage: adds to the staging key what a seed will count.
-- ARGV 2 milliseconds until the key expires  3… relationship, references, …
local function stage()
  local staging_key, kept_ms = KEYS[7], ARGV[2]
  for i = 3, #ARGV, 2 do
    local relationship, references = ARGV[i], ARGV[i + 1]
    call('HSET', staging_key, relationship, references)
  end
  call('PEXPIRE', staging_key, kept_ms)
  return reply(DONE)
end

-- seed: starts a generation from the ledger's counts. Does nothing if there is a quota. Forgets the
-- reservations, but gives no instant out twice if `clock_at` is still known.
-- ARGV 2 period_start  3 period_end  4 turns_limit  5 relationships_limit
--      6 uncharged_limit  7 turns  8 uncharged turns  9 newest recorded_at
--      10 relationships; NEED_SEED if the staging key does not hold them all
local function seed()
  local staging_key = KEYS[7]
  local period_start, period_end, turns_limit, relationships_limit = four_numbers(2)
  local uncharged_limit, turns, uncharged, newest = four_numbers(6)
  local relationships = tonumber(ARGV[10])
  load_quota()
  if quota then
    call('DEL', staging_key)
    return reply(DONE)
  end
  if call('HLEN', staging_key) ~= relationships then return reply(NEED_SEED) end
  local clock_at = parse_number(call('HGET', quota_key, 'clock_at')) or 0
  call('DEL', quota_key, relationships_key, turns_key, expiries_key, holds_key)
  stored = {} -- the hash is deleted, so every field is new, also those that were read
  if relationships > 0 then call('RENAME', staging_key, relationships_key) end
  local now = math.max(time, newest + 1, clock_at + 1)
  quota = {
    turns_used = turns, turns_reserved = 0, turns_limit = turns_limit,
    relationships_used = relationships, relationships_limit = relationships_limit,
    reservations = 0, remembered = 0,
    period_start = period_start, period_end = period_end,
    generation = now, mark_at = now, mark_used = turns, settled_at = now, clock_at = now,
    uncharged_used = uncharged, uncharged_limit = uncharged_limit, mark_uncharged = uncharged,
  }
  changed = true
  save_quota()
  return reply(DONE)
end
