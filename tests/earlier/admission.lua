-- The admission script of the release before uncharged turns were counted, without its comments.
-- Frozen: tests run it beside the present one.
local DONE = 0
local RATE_LIMITED = 1
local NEED_SEED = 2
local PERIOD_MISMATCH = 3
local STALE = 4
local BACKLOG = 5
local MILLISECOND = 1000
local SECOND = 1000000
local DAY = 86400 * SECOND
local EXACT_BELOW = 2 ^ 53
local call = redis.call
local operation = ARGV[1]
local bucket_key, quota_key, relationships_key, turns_key, expiries_key, holds_key = unpack(KEYS)
local function parse_number(text)
  local value = tonumber(text)
  if value and value > -EXACT_BELOW and value < EXACT_BELOW then return value end
end
local function four_numbers(first)
  return tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]),
    tonumber(ARGV[first + 3])
end
local function floor_div(number, divisor)
  return (number - math.fmod(number, divisor)) / divisor
end
local function ceil_div(number, divisor)
  return floor_div(number, divisor) + (math.fmod(number, divisor) > 0 and 1 or 0)
end
local seconds, microseconds = unpack(call('TIME'))
local time = tonumber(seconds) * SECOND + tonumber(microseconds)
local MAX_STEP_BACK = SECOND
local function refill(bucket)
  local elapsed = time - bucket.at
  if elapsed < -MAX_STEP_BACK then
    bucket.at, bucket.must_write = time, true
  elseif elapsed > 0 then
    if elapsed >= ceil_div(bucket.capacity - bucket.level, bucket.refilled) then
      bucket.level = bucket.capacity
    else
      bucket.level = bucket.level + elapsed * bucket.refilled
    end
    bucket.at = time
  end
end
local function read_bucket()
  local refilled, period, burst, tokens = four_numbers(2)
  local capacity = burst * period
  local bucket = {
    refilled = refilled, period = period, capacity = capacity,
    price = tokens * period, level = capacity, at = time,
  }
  local stored = call('HMGET', bucket_key, 'level', 'at')
  local level, at = parse_number(stored[1]), parse_number(stored[2])
  if level and at then
    bucket.level, bucket.at = math.min(capacity, level), at
    refill(bucket)
  end
  return bucket
end
local function wait_for(bucket, level)
  if bucket.level >= level then return 0 end
  return ceil_div(level - bucket.level, bucket.refilled) + bucket.at - time
end
local function pay(bucket, amount)
  bucket.level = bucket.level - amount
  local full_in = wait_for(bucket, bucket.capacity)
  if amount > 0 or bucket.must_write then
    call('HSET', bucket_key, 'level', bucket.level, 'at', bucket.at)
    call('PEXPIRE', bucket_key, ceil_div(full_in + SECOND, MILLISECOND))
  end
  return full_in
end
if operation == 'enter' then
local function enter_refused(bucket)
  local counters = call('HMGET', quota_key,
    'clock_at', 'generation', 'turns_used', 'relationships_used', 'reservations')
  for i = 1, 5 do
    counters[i] = parse_number(counters[i])
    if not counters[i] then return nil end
  end
  if counters[5] > 0 then return nil end
  local left, wait = floor_div(bucket.level, bucket.period), wait_for(bucket, bucket.price)
  local now, full_in = math.max(time, counters[1] + 1), pay(bucket, 0)
  return {RATE_LIMITED, time, now, counters[2], counters[3], 0, counters[4], left, wait, full_in}
end
local function enter()
  local period_start, period_end = tonumber(ARGV[6]), tonumber(ARGV[7])
  if time < period_start or time >= period_end then
    return {PERIOD_MISMATCH, time, 0, -1, 0, 0, 0}
  end
  local bucket = read_bucket()
  if bucket.level < bucket.price then return enter_refused(bucket) end
  local full_in = pay(bucket, bucket.price)
  local clock_at = parse_number(call('HGET', quota_key, 'clock_at'))
  local now = clock_at and math.max(time, clock_at + 1) or 0
  return {DONE, time, now, -1, 0, 0, 0, floor_div(bucket.level, bucket.period), 0, full_in}
end
  local early_reply = enter()
  if early_reply then return early_reply end
end
local FIELDS = {
  'turns_used', 'turns_reserved', 'turns_limit',
  'relationships_used', 'relationships_limit',
  'reservations',
  'remembered',
  'period_start', 'period_end',
  'generation',
  'mark_at', 'mark_used',
  'settled_at',
  'clock_at',
}
local KEPT_AFTER_PERIOD = 3 * DAY
local quota
local stored = {}
local changed = false
local backlog = 0
local function is_in_period(period_start, period_end)
  return time >= period_start and time < period_end
end
local function read_fields()
  local values, fields = call('HMGET', quota_key, unpack(FIELDS)), {}
  for i, field in ipairs(FIELDS) do
    local value = parse_number(values[i])
    if not value then return nil end
    fields[field], stored[field] = value, value
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
local function instant()
  return math.max(time, quota.clock_at + 1)
end
local function tick()
  quota.clock_at = instant()
  changed = true
  return quota.clock_at
end
local function reply(status)
  if not quota then return {status, time, 0, -1, 0, 0, 0} end
  return {
    status, time, instant(), quota.generation,
    quota.turns_used, quota.turns_reserved - backlog, quota.relationships_used,
  }
end
local function reply_with(status, value)
  local result = reply(status)
  table.insert(result, value)
  return result
end
local function references_of(relationship)
  return tonumber(call('HGET', relationships_key, relationship) or 0)
end
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
local function parse_entry(text)
  local state, turns, recorded_at, counted, relationship =
    string.match(text, '^(%a+) (%d+) (%d+) ([01]) (.*)$')
  return {
    state = state, turns = tonumber(turns), recorded_at = tonumber(recorded_at),
    counted = tonumber(counted), relationship = relationship,
  }
end
local function format_entry(state, item, recorded_at, counted)
  local instant_text = string.format('%.0f', recorded_at)
  return table.concat({state, item.turns, instant_text, counted, item.relationship}, ' ')
end
local function remove_entries(turns, key)
  call('HDEL', turns_key, unpack(turns))
  call('ZREM', key, unpack(turns))
  quota.remembered = quota.remembered - #turns
  changed = true
end
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
local MAX_EXPIRED = 1000
local function expired_in(key)
  return call('ZRANGEBYSCORE', key, '-inf', time, 'LIMIT', 0, MAX_EXPIRED)
end
local function expire_holds()
  if quota.reservations == 0 then return end
  local expired, entries = expired_in(holds_key), {}
  if #expired == 0 then return end
  for i, text in ipairs(call('HMGET', turns_key, unpack(expired))) do entries[i] = parse_entry(text) end
  end_holds(expired, entries)
  for _, entry in ipairs(entries) do drop_reference(entry.relationship) end
  backlog = #expired == MAX_EXPIRED and call('ZCOUNT', holds_key, '-inf', time) or 0
end
local function open_quota()
  load_quota()
  if not quota then return end
  if quota.remembered > quota.reservations then
    local expired = expired_in(expiries_key)
    if #expired > 0 then remove_entries(expired, expiries_key) end
  end
  expire_holds()
end
if operation == 'read' then
local function read()
  local period_start, period_end = tonumber(ARGV[2]), tonumber(ARGV[3])
  if not is_in_period(period_start, period_end) then return reply(PERIOD_MISMATCH) end
  open_quota()
  if not quota then return reply(NEED_SEED) end
  save_quota()
  local result = reply(DONE)
  table.insert(result, quota.reservations - backlog)
  for _, field in ipairs({'remembered', 'mark_at', 'mark_used'}) do
    table.insert(result, quota[field])
  end
  return result
end
  return read()
elseif operation == 'stage' or operation == 'seed' then
local function stage()
  local staging_key, kept_ms = KEYS[7], ARGV[2]
  for i = 3, #ARGV, 2 do
    local relationship, references = ARGV[i], ARGV[i + 1]
    call('HSET', staging_key, relationship, references)
  end
  call('PEXPIRE', staging_key, kept_ms)
  return reply(DONE)
end
local function seed()
  local staging_key = KEYS[7]
  local period_start, period_end, turns_limit, relationships_limit = four_numbers(2)
  local turns, newest, relationships = four_numbers(6)
  load_quota()
  if quota then
    call('DEL', staging_key)
    return reply(DONE)
  end
  if call('HLEN', staging_key) ~= relationships then return reply(NEED_SEED) end
  local clock_at = parse_number(call('HGET', quota_key, 'clock_at')) or 0
  call('DEL', quota_key, relationships_key, turns_key, expiries_key, holds_key)
  stored = {}
  if relationships > 0 then call('RENAME', staging_key, relationships_key) end
  local now = math.max(time, newest + 1, clock_at + 1)
  quota = {
    turns_used = turns, turns_reserved = 0, turns_limit = turns_limit,
    relationships_used = relationships, relationships_limit = relationships_limit,
    reservations = 0, remembered = 0,
    period_start = period_start, period_end = period_end,
    generation = now, mark_at = now, mark_used = turns, settled_at = now, clock_at = now,
  }
  changed = true
  save_quota()
  return reply(DONE)
end
  return (operation == 'stage' and stage or seed)()
end
local function read_limits()
  local period_start, period_end, turns_limit, relationships_limit = four_numbers(6)
  return {
    period_start = period_start, period_end = period_end,
    turns_limit = turns_limit, relationships_limit = relationships_limit,
    overage_allowed = ARGV[10] == '1',
  }
end
local function open_under(limits)
  open_quota()
  if quota then
    quota.turns_limit, quota.relationships_limit = limits.turns_limit, limits.relationships_limit
  end
end
local function decide(charge, look)
  local bucket = read_bucket()
  local wait = wait_for(bucket, bucket.price)
  local values = (wait == 0 and charge or look)()
  local full_in = pay(bucket, wait == 0 and bucket.price or 0)
  save_quota()
  local result = reply(wait == 0 and DONE or RATE_LIMITED)
  result[8], result[9], result[10] = floor_div(bucket.level, bucket.period), wait, full_in
  for i, value in ipairs(values) do result[10 + i] = value end
  return result
end
if operation == 'enter' or operation == 'admit' and not ARGV[11] then
local function look()
  local limits = quota_key and read_limits()
  if limits and not is_in_period(limits.period_start, limits.period_end) then
    return reply(PERIOD_MISMATCH)
  end
  local function open()
    if limits then open_under(limits) end
    return {}
  end
  return decide(open, open)
end
  return look()
end
local CACHED_FOR = 300 * SECOND
local function add_reference(relationship)
  if relationship == '' or call('HINCRBY', relationships_key, relationship, 1) > 1 then return 0 end
  quota.relationships_used = quota.relationships_used + 1
  return 1
end
local function add_entry(state, item, recorded_at, counted, expires_at)
  call('HSET', turns_key, item.turn, format_entry(state, item, recorded_at, counted))
  call('ZADD', state == 'reserved' and holds_key or expiries_key, expires_at, item.turn)
  quota.remembered = quota.remembered + 1
  changed = true
end
local function hold_expires_at(turn)
  return tonumber(call('ZSCORE', holds_key, turn))
end
local function current_entry(turn)
  local text = call('HGET', turns_key, turn)
  local entry = text and parse_entry(text)
  if not entry then return nil end
  if entry.state == 'reserved' and backlog > 0 and hold_expires_at(turn) <= time then
    end_hold(turn, entry)
    backlog = backlog - 1
    return nil
  end
  if entry.state == 'charged' and entry.recorded_at < quota.settled_at then
    remove_entries({turn}, expiries_key)
    return nil
  end
  return entry
end
if operation == 'refund' then
local function take_back(turn, recorded_at)
  local entry = current_entry(turn)
  if not entry or entry.state ~= 'charged' or entry.recorded_at ~= recorded_at then return false end
  quota.turns_used = math.max(0, quota.turns_used - entry.turns)
  if recorded_at < quota.mark_at then quota.mark_used = quota.mark_used - entry.turns end
  drop_reference(entry.relationship)
  remove_entries({turn}, expiries_key)
  return true
end
local function refund()
  local generation, count = tonumber(ARGV[2]), 0
  open_quota()
  if quota and quota.generation == generation then
    for i = 3, #ARGV, 2 do
      local turn, recorded_at = ARGV[i], tonumber(ARGV[i + 1])
      if take_back(turn, recorded_at) then count = count + 1 end
    end
  end
  save_quota()
  return reply_with(DONE, count)
end
  return refund()
end
local CHARGED = 0
local REPLAYED = 1
local TURNS_EXHAUSTED = 2
local RELATIONSHIPS_EXHAUSTED = 3
local CONFLICT = 4
local RECORDED = 5
local CANCELLED = 6
local TOO_MANY_OPEN = 7
local function is_exhausted(verdict)
  return verdict == TURNS_EXHAUSTED or verdict == RELATIONSHIPS_EXHAUSTED
end
local function exceeds(limit, wanted)
  return limit >= 0 and wanted > limit
end
local function has_room_for(relationship, reservation)
  local used = quota.relationships_used
  if not exceeds(quota.relationships_limit, used + 1) then return true end
  if call('HEXISTS', relationships_key, relationship) == 1 then return true end
  local held = reservation and reservation.relationship or ''
  if held ~= '' and references_of(held) == 1 then used = used - 1 end
  return not exceeds(quota.relationships_limit, used + 1)
end
local function refusal(item, reservation, overage_allowed)
  if overage_allowed then return nil end
  local held = reservation and reservation.turns or 0
  local taken = quota.turns_used + quota.turns_reserved - backlog - held
  if item.turns > held and exceeds(quota.turns_limit, taken + item.turns) then
    return TURNS_EXHAUSTED
  end
  local is_held = reservation and reservation.relationship == item.relationship
  if item.relationship == '' or is_held or has_room_for(item.relationship, reservation) then
    return nil
  end
  return RELATIONSHIPS_EXHAUSTED
end
local function judge(item, overage_allowed)
  local entry = current_entry(item.turn)
  if not entry or entry.state == 'reserved' then
    return refusal(item, entry, overage_allowed) or CHARGED, entry
  end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  local same = entry.turns == item.turns and entry.relationship == item.relationship
  return same and REPLAYED or CONFLICT, entry
end
local function take_over(item, reservation)
  if reservation.relationship == item.relationship then return reservation.counted end
  drop_reference(reservation.relationship)
  return add_reference(item.relationship)
end
local function charge(item, reservation, is_completion)
  local recorded_at, counted = tick(), nil
  if reservation then
    end_holds({item.turn}, {reservation})
    counted = take_over(item, reservation)
  elseif item.turns == 0 and not is_completion then
    return recorded_at, 0
  end
  counted = counted or add_reference(item.relationship)
  quota.turns_used = quota.turns_used + item.turns
  add_entry('charged', item, recorded_at, counted, time + CACHED_FOR)
  return recorded_at, counted
end
local function carry_out(item, verdict, entry, is_completion)
  local recorded_at, counted = 0, 0
  if verdict == CHARGED then
    recorded_at, counted = charge(item, entry, is_completion)
  elseif verdict == REPLAYED then
    recorded_at, counted = entry.recorded_at, entry.counted
  end
  return {verdict, recorded_at, counted}
end
local function may_refuse_for_backlog(items_count, limits)
  return backlog > 0 and not limits.overage_allowed
    and exceeds(limits.relationships_limit, quota.relationships_used + items_count)
end
local function open_to_charge(limits, items_count)
  if not is_in_period(limits.period_start, limits.period_end) then return reply(PERIOD_MISMATCH) end
  open_under(limits)
  if not quota then return reply(NEED_SEED) end
  if not may_refuse_for_backlog(items_count, limits) then return nil end
  save_quota()
  return reply(BACKLOG)
end
if operation == 'complete' or operation == 'cancel' then
local function no_results() return {} end
local function open_to_settle(turn)
  local limits = read_limits()
  open_under(limits)
  if not is_in_period(limits.period_start, limits.period_end) and not (quota and current_entry(turn)) then
    save_quota()
    return reply(PERIOD_MISMATCH)
  end
  return not quota and reply(NEED_SEED) or nil
end
local function share_clock(current_quota_key)
  local clock_at = parse_number(call('HGET', current_quota_key, 'clock_at'))
  if not clock_at then return end
  quota.clock_at = math.max(quota.clock_at, clock_at)
  call('HSET', current_quota_key, 'clock_at', instant())
end
local function complete()
  local current_quota_key = KEYS[7]
  local item = {turn = ARGV[11], turns = tonumber(ARGV[12]), relationship = ARGV[13]}
  local early_reply = open_to_settle(item.turn)
  if early_reply then return early_reply end
  return decide(function()
    local verdict, entry = judge(item, true)
    if verdict == CHARGED and current_quota_key then share_clock(current_quota_key) end
    return carry_out(item, verdict, entry, true)
  end, no_results)
end
local function cancel_turn(turn, blocks_turn)
  local entry, expires_at = current_entry(turn), time + CACHED_FOR
  if entry and entry.state == 'charged' then return RECORDED end
  if entry and entry.state == 'cancelled' then
    expires_at = math.max(expires_at, tonumber(call('ZSCORE', expiries_key, turn)))
    remove_entries({turn}, expiries_key)
  elseif entry then
    expires_at = math.max(expires_at, hold_expires_at(turn))
    end_hold(turn, entry)
  end
  if not blocks_turn then return CHARGED end
  add_entry('cancelled', {turn = turn, turns = 0, relationship = ''}, time, 0, expires_at)
  return CHARGED
end
local function cancel()
  local turn, blocks_turn = ARGV[11], ARGV[12] ~= '0'
  local early_reply = open_to_settle(turn)
  if early_reply then return early_reply end
  return decide(function() return {cancel_turn(turn, blocks_turn), 0, 0} end, no_results)
end
  return (operation == 'complete' and complete or cancel)()
end
local MAX_SCANNED = 50
local function waits()
  local function expiry_of(needed, own_index)
    if needed <= 0 then return time end
    local index = backlog + needed - 1
    if own_index and own_index <= index then index = index + 1 end
    return tonumber(call('ZRANGE', holds_key, index, index, 'WITHSCORES')[2])
  end
  local function turns_fit_at(item)
    local limit, taken = quota.turns_limit, quota.turns_used + quota.turns_reserved - backlog
    if not exceeds(limit, taken + item.turns) then return time end
    if exceeds(limit, quota.turns_used + item.turns) then return nil end
    local own_index = call('ZRANK', holds_key, item.turn)
    return expiry_of(taken + item.turns - limit - (own_index and 1 or 0), own_index)
  end
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
  local releases
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
  local function fits_at(item)
    local from = turns_fit_at(item)
    return from and relationship_fits_at(item.relationship, from) or 0
  end
  local function fewer_open_at(most_open)
    return expiry_of(quota.reservations - backlog - most_open + 1)
  end
  return {fits_at = fits_at, fewer_open_at = fewer_open_at}
end
if operation == 'admit' then
local function read_items()
  local items = {}
  for i = 11, #ARGV, 3 do
    table.insert(items, {turn = ARGV[i], turns = tonumber(ARGV[i + 1]), relationship = ARGV[i + 2]})
  end
  return items
end
local function add_waits(items, values)
  local fits_at
  for i, item in ipairs(items) do
    local first = 3 * i - 2
    if is_exhausted(values[first]) then
      fits_at = fits_at or waits().fits_at
      values[first + 1] = fits_at(item)
    end
  end
  return values
end
local function admit()
  local limits, items = read_limits(), read_items()
  local early_reply = open_to_charge(limits, #items)
  if early_reply then return early_reply end
  local function charge_each()
    local values = {}
    for _, item in ipairs(items) do
      for _, value in ipairs(carry_out(item, judge(item, limits.overage_allowed))) do
        table.insert(values, value)
      end
    end
    return add_waits(items, values)
  end
  return decide(charge_each, function()
    local verdict = #items == 1 and judge(items[1], limits.overage_allowed)
    return is_exhausted(verdict) and add_waits(items, {verdict, 0, 0}) or {}
  end)
end
  return admit()
elseif operation == 'reserve' then
local function find_previous_hold(turn)
  local previous_turns_key, previous_holds_key = KEYS[7], KEYS[8]
  local expires_at = previous_holds_key and call('ZSCORE', previous_holds_key, turn)
  local text = expires_at and tonumber(expires_at) > time and call('HGET', previous_turns_key, turn)
  if not text then return nil end
  local entry = parse_entry(text)
  entry.expires_at = tonumber(expires_at)
  return entry
end
local function judge_reservation(item, overage_allowed, most_open)
  local entry = current_entry(item.turn) or find_previous_hold(item.turn)
  if not entry then
    local refused = refusal(item, nil, overage_allowed)
    if refused then return refused end
    return quota.reservations - backlog < most_open and CHARGED or TOO_MANY_OPEN
  end
  if entry.state == 'charged' then return RECORDED, entry end
  if entry.state == 'cancelled' then return CANCELLED, entry end
  return entry.relationship == item.relationship and REPLAYED or CONFLICT, entry
end
local function hold(item, expires_at)
  local counted = add_reference(item.relationship)
  quota.turns_reserved = quota.turns_reserved + item.turns
  quota.reservations = quota.reservations + 1
  add_entry('reserved', item, time, counted, expires_at)
  return {CHARGED, time, counted, expires_at}
end
local function refuse_reservation(item, verdict, most_open)
  local when = waits()
  local fits_at = when.fits_at(item)
  if fits_at > 0 then fits_at = math.max(fits_at, when.fewer_open_at(most_open)) end
  return {verdict, fits_at, 0, 0}
end
local function reserve()
  local limits = read_limits()
  local turn, relationship, hold_time, most_open = ARGV[11], ARGV[12], four_numbers(13)
  local item = {turn = turn, turns = 1, relationship = relationship}
  local early_reply = open_to_charge(limits, 1)
  if early_reply then return early_reply end
  local function judged(results_of)
    local verdict, entry = judge_reservation(item, limits.overage_allowed, most_open)
    if is_exhausted(verdict) then return refuse_reservation(item, verdict, most_open) end
    return results_of(verdict, entry)
  end
  local function results_of(verdict, entry)
    if verdict == CHARGED then return hold(item, time + hold_time) end
    if verdict == REPLAYED then
      return {verdict, entry.recorded_at, entry.counted, entry.expires_at or hold_expires_at(turn)}
    end
    return {verdict, 0, 0, verdict == TOO_MANY_OPEN and waits().fewer_open_at(most_open) or 0}
  end
  local function no_results() return {} end
  return decide(
    function() return judged(results_of) end,
    function() return judged(no_results) end
  )
end
  return reserve()
end
local function release()
  local count = 0
  open_quota()
  for i = 2, quota and #ARGV or 0 do
    local turn = ARGV[i]
    local entry = current_entry(turn)
    if entry and entry.state == 'reserved' then
      end_hold(turn, entry)
      count = count + 1
    end
  end
  save_quota()
  return reply_with(DONE, count)
end
local function set_watermark()
  local newest = tonumber(ARGV[2])
  open_quota()
  if not quota then return reply(NEED_SEED) end
  quota.clock_at = math.max(quota.clock_at, newest)
  quota.mark_at, quota.mark_used = tick(), quota.turns_used
  save_quota()
  return reply_with(DONE, quota.mark_at)
end
local function open_at(mark_at)
  open_quota()
  if not quota then return NEED_SEED end
  return quota.mark_at == mark_at and DONE or STALE
end
local function reconcile()
  local mark_at, turns = tonumber(ARGV[2]), tonumber(ARGV[3])
  local status, drift = open_at(mark_at), 0
  if status == DONE then
    local used = quota.turns_used
    quota.turns_used = math.max(0, used + turns - quota.mark_used)
    quota.mark_used, quota.settled_at = turns, quota.mark_at
    drift, changed = quota.turns_used - used, true
  end
  save_quota()
  return reply_with(status, drift)
end
local function correct()
  local status = open_at(tonumber(ARGV[2]))
  local used = quota and quota.relationships_used or 0
  for i = 3, status == DONE and #ARGV or 0, 3 do
    local relationship, seen, wanted = ARGV[i], four_numbers(i + 1)
    if references_of(relationship) == seen then
      if seen == 0 then add_reference(relationship) end
      set_references(relationship, wanted)
      changed = true
    end
  end
  save_quota()
  return reply_with(status, quota and quota.relationships_used - used or 0)
end
return ({
  release = release, set_watermark = set_watermark, reconcile = reconcile, correct = correct,
})[operation]()
