-- admit: charges bucket and quota, or returns why not. An empty bucket returns no verdicts, except for
-- a single item that the quota refuses as well.
-- Included last of what requests need, with `reserve` (ADR 18).
-- ARGV 12… items, four arguments each, see read_item; they are read once the quota is open
-- Result 12… verdict, recorded_at, counted, …
--      of an item that the quota refuses: verdict, when it fits (0 = not in this period), 0

local function read_items()
  local items = {}
  for i = 12, #ARGV, 4 do table.insert(items, read_item(i)) end
  return items
end

-- Adds to the verdicts of refused items when each fits, once this call has charged the others.
local function add_waits(items, values, limits)
  local fits_at
  for i, item in ipairs(items) do
    local first = 3 * i - 2
    if is_exhausted(values[first]) then
      fits_at = fits_at or waits(limits).fits_at
      values[first + 1] = fits_at(item, values[first])
    end
  end
  return values
end

local function admit()
  local limits = read_limits()
  local early_reply = open_to_charge(limits, (#ARGV - 11) / 4)
  if early_reply then return early_reply end
  local items = read_items()
  local function charge_each()
    local values = {}
    for _, item in ipairs(items) do
      for _, value in ipairs(carry_out(item, judge(item, limits))) do
        table.insert(values, value)
      end
    end
    return add_waits(items, values, limits)
  end
  return decide(charge_each, function()
    local verdict = #items == 1 and judge(items[1], limits)
    return is_exhausted(verdict) and add_waits(items, {verdict, 0, 0}, limits) or {}
  end)
end
