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

// saveChoices sets and, where the value is empty, removes fields.
// KEYS profile, prefs; ARGV field, value, field, value, ...
var saveChoices = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
return 'ok'
`)

// saveTarget sets a target up, or changes it if what is sealed is still what
// the caller has read. How the target has fared with other settings is forgotten.
// KEYS profile, prefs, targets, health; ARGV marker field, marker, target field,
// sealed settings, sealed settings as read or "" for whatever they are, limit.
var saveTarget = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 'no user' end
local before = redis.call('HGET', KEYS[3], ARGV[3])
if ARGV[5] ~= '' and before ~= ARGV[5] then return 'changed' end
if not before and redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[6]) then return 'too many' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HDEL', KEYS[4], ARGV[3])
return 'ok'
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
