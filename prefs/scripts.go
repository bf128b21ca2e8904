package prefs

import "github.com/redis/go-redis/v9"

// Scripts run in Redis, one at a time, so that what they read cannot change
// before they write. Their first key is always the user's profile: nothing is
// written for a user who does not exist, lest a page still open somewhere
// brings back a part of a deleted one.

// saveUser keeps the profile. The first e-mail address of a user sets up their
// e-mail target; a target that the user deleted later stays deleted, however
// often the profile is saved.
// KEYS profile, prefs, targets; ARGV profile, "1" if it has an address,
// marker field, marker, target field, sealed settings.
var saveUser = redis.NewScript(`
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
-- A quotation mark within a JSON string is escaped: this finds the key only.
local reachable = before and string.find(before, '"email":"', 1, true)
if ARGV[2] == '1' and not reachable and redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
  redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
end
return 'ok'
`)

// saveChoices sets and, where the value is empty, removes fields. A choice that
// is made again keeps the time when it was made.
// KEYS profile, prefs; ARGV field, value, field, value, ...
var saveChoices = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    local before = redis.call('HGET', KEYS[2], ARGV[i])
    if not before or string.sub(before, 1, 2) ~= string.sub(ARGV[i + 1], 1, 2) then
      redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    end
  end
end
return 'ok'
`)

// resetChoices removes every choice, also of types and channels that are no more.
// KEYS profile, prefs.
var resetChoices = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
local fields = redis.call('HGETALL', KEYS[2])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 7) ~= 'target/' and (fields[i + 1] == '0' or fields[i + 1] == '1' or string.find(fields[i + 1], '^[01] ')) then
    redis.call('HDEL', KEYS[2], fields[i])
  end
end
return 'ok'
`)

// saveTarget sets a target up, or changes it if what is sealed is still what
// the caller has read. How the target has fared with other settings is forgotten.
// KEYS profile, prefs, targets, health; ARGV marker field, marker, target field,
// sealed settings, revision ("" for any, "none" for a target that is not there),
// limit of all targets, limit of the channel's.
var saveTarget = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
local before = redis.call('HGET', KEYS[3], ARGV[3])
local revision = 'none'
if before then revision = string.sub(before, -22) end
if ARGV[5] ~= '' and revision ~= ARGV[5] then return 'changed' end
if not before then
  local channel = string.match(ARGV[3], '^[^/]*/')
  local all, same = redis.call('HKEYS', KEYS[3]), 0
  for _, field in ipairs(all) do
    if string.sub(field, 1, #channel) == channel then same = same + 1 end
  end
  if #all >= tonumber(ARGV[6]) or same >= tonumber(ARGV[7]) then return 'too many' end
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HDEL', KEYS[4], ARGV[3])
return 'ok'
`)

// confirmTarget makes pending settings a target's, if they are still those that
// the caller has read.
// KEYS profile, prefs, targets, pending, health; ARGV marker field, marker, target
// field, sealed settings, pending settings as read.
var confirmTarget = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
if redis.call('GET', KEYS[4]) ~= ARGV[5] then return 'changed' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[5], ARGV[3])
return 'ok'
`)

// savePending keeps settings that wait for a proof.
// KEYS profile, pending; ARGV sealed settings, milliseconds to keep them.
var savePending = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'ok'
`)

// swapSealed puts settings that were sealed anew in place of what the caller has
// read, if that is still there, and answers with what is there then: nothing
// where nothing is. Those that wait for a proof wait as long as they did. It asks
// for no profile: it brings nothing back, and a user who is deleted only in part
// must not keep an old key from being dropped.
// KEYS targets or pending; ARGV target field ("" of pending), sealed settings as
// read, sealed anew.
var swapSealed = redis.NewScript(`
local waits, now = ARGV[1] == '', false
if waits then now = redis.call('GET', KEYS[1]) else now = redis.call('HGET', KEYS[1], ARGV[1]) end
if now ~= ARGV[2] then return now or '' end
if waits then
  redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return ARGV[3]
`)

// takeFromQuota counts, and answers 0, or for how many milliseconds nothing is
// left.
// KEYS quota; ARGV how many there are, milliseconds until there are as many again.
var takeFromQuota = redis.NewScript(`
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if used <= tonumber(ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[1])
`)

// swapFare notes how a target fares, if what is noted is still what the caller
// has read, and answers with what is noted then. Of a target that is not set up
// nothing is noted.
// KEYS profile, prefs, health; ARGV marker field, target field, text as read,
// new text.
var swapFare = redis.NewScript(`
local now = redis.call('HGET', KEYS[3], ARGV[2]) or ''
if now ~= ARGV[3] then return {0, now} end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return {1, ARGV[4]} end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return {1, ARGV[4]}
`)

// switchOff replaces the marker of a target that is on, unless it was set up
// at or after a time.
// KEYS profile, prefs; ARGV marker field, marker for off, time or "" for any.
var switchOff = redis.NewScript(`
local marker = redis.call('HGET', KEYS[2], ARGV[1])
if not marker or string.sub(marker, 1, 4) == 'off ' then return 0 end
if ARGV[3] ~= '' and marker >= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
`)

// joinAccount notes an account in the user's record.
// KEYS profile, accounts; ARGV account.
var joinAccount = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
redis.call('SADD', KEYS[2], ARGV[1])
return 'ok'
`)

// claimEvent answers who holds the event, and takes it if nobody does.
// KEYS event; ARGV sequence, milliseconds to keep it.
var claimEvent = redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
`)

// markRouted notes that the holder has routed the event. If the claim has
// expired it is taken again; another holder's is left alone.
// KEYS event; ARGV sequence, sequence as routed, milliseconds to keep it.
var markRouted = redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`)

// noteStored adds members to those for whom an event is stored.
// KEYS progress; ARGV milliseconds to keep it, user, user, ...
var noteStored = redis.NewScript(`
redis.call('RPUSH', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)
