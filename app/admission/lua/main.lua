-- The admission script: decides a token bucket and a quota in one call. An empty bucket refuses the
-- call. Otherwise each turn is charged whole or not at all.
--
-- `script_source.py` replaces each line `--@include NAME` by the file NAME.lua. Those files only define
-- names: this one decides what a call runs. Lua makes every function anew in each call, so functions
-- are included where a call first needs them (ADR 18).
--
-- KEYS  1  bucket                    hash        level, at
--       2  quota                     hash        FIELDS of quota.lua, for one account and period
--       3  quota:relationships       hash        relationship -> references; its length is the count
--       4  quota:turns               hash        turn -> entry, see entries.lua
--       5  quota:lapses              sorted set  charged or cancelled turn -> when its entry expires
--       6  quota:holds               sorted set  reserved turn -> when its hold expires
--       7  staging (stage, seed)     hash        becomes quota:relationships
--          current quota (complete)  hash        the quota of the account's current period
--          previous turns (reserve)  hash        quota:turns of the account's previous period
--       8  previous holds (reserve)  sorted set  quota:holds of the same period
--       A bucket without a quota (of a client address) passes KEYS[1] alone.
-- ARGV  1  operation
--       2… arguments of the operation, listed at its function. Those of a request begin with
--       2  tokens refilled in a period  3 period  4 burst  5 tokens to take (0 = only look)
--          and, with a quota, 6 period_start  7 period_end  8 turns_limit (-1 = none)
--          9 relationships_limit  10 overage ('1' = the limit of turns never refuses)
--          11 uncharged_limit
-- Reply 1  status, one of those in prelude.lua
--       2  instant on the server's clock
--       3  instant of the account: later than every instant given out so far; 0 = no quota loaded
--       4  generation of the quota; -1 = none loaded or not returned, and 5 to 8 mean nothing
--       5  turns used   6 turns reserved   7 relationships used   8 uncharged turns used
--       9… results of the operation, listed at its function. Those of a request begin with
--       9  whole tokens left  10 wait until the tokens are there  11 time until the bucket is full
-- Units Instants and durations are whole microseconds. A bucket's level is tokens x period.
--       Every number is a whole one below 2^53. Lua's doubles hold it exactly, and the server writes
--       it with all its digits into commands (17 digits) and replies.

--@include prelude
--@include bucket

if operation == 'enter' then
  --@include enter
  local early_reply = enter()
  if early_reply then return early_reply end
end

--@include quota
--@include references
--@include entries
--@include expiry

if operation == 'read' then
  --@include read
  return read()
elseif operation == 'stage' or operation == 'seed' then
  --@include seed
  return (operation == 'stage' and stage or seed)()
end

--@include decide

if operation == 'enter' or operation == 'admit' and not ARGV[12] then
  --@include look
  return look()
end

--@include turns

if operation == 'refund' then
  --@include refund
  return refund()
end

--@include charges

if operation == 'complete' or operation == 'cancel' then
  --@include settle
  return (operation == 'complete' and complete or cancel)()
end

--@include waits

if operation == 'admit' then
  --@include admit
  return admit()
elseif operation == 'reserve' then
  --@include reserve
  return reserve()
end

--@include reconcile

return ({
  release = release, set_watermark = set_watermark, reconcile = reconcile, correct = correct,
})[operation]()
