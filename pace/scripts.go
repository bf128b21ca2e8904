package pace

import "github.com/redis/go-redis/v9"

// Scripts run in Redis one at a time, and by its clock alone. Moments and
// lengths of time are in microseconds.

// admit decides on one delivery that asks for a message to a room.
//
//	sent     list of the moments of the newest messages, oldest first
//	waiting  id by the moment at which the delivery is to ask again
//	records  what is known of those that wait, by id
//	taken    id of a companion by the moment up to which it is set aside
//	closed   the moment up to which the room takes nothing
//	told     id of the delivery whose message listed this one
//
// ARGV id, record, messages, window, backlog, most companions, grace,
// milliseconds to remember an answer of "told", most waiting.
var admit = redis.NewScript(`
local sent, waiting, records, taken, closed, told = unpack(KEYS)
local id, record = ARGV[1], ARGV[2]
local limit, window, backlog, carry = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local grace, answered, most = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])

-- Numbers of this size lose digits when Lua writes them by itself.
local function text(n) return string.format('%.0f', n) end
local function milliseconds(n) return text(math.ceil(n / 1000)) end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local by = redis.call('GET', told)
if by then
  redis.call('PEXPIRE', told, answered)
  return {'told', by}
end
local aside = tonumber(redis.call('ZSCORE', taken, id) or 0)
if aside > now then return {'wait', aside - now} end

-- Those who were expected and did not ask are forgotten, a few at a time.
local late = redis.call('ZRANGEBYSCORE', waiting, '-inf', text(now - grace), 'LIMIT', 0, 100)
if #late > 0 then
  redis.call('ZREM', waiting, unpack(late))
  redis.call('HDEL', records, unpack(late))
end

-- Moments of messages in the window that ends now. If the clock was set back,
-- those that are yet to come count no more.
local log = {}
for _, moment in ipairs(redis.call('LRANGE', sent, -limit, -1)) do
  moment = tonumber(moment)
  if moment > now - window and moment <= now then log[#log + 1] = moment end
end

local opens = math.max(now, tonumber(redis.call('GET', closed) or 0))
local expected = redis.call('ZSCORE', waiting, id)
expected = expected and tonumber(expected)

-- A message that lists others takes the eldest along and so overtakes nobody.
-- Any other goes only if there is room for those before it, too.
local others = redis.call('ZCARD', waiting) - (expected and 1 or 0)
local lists = carry > 0 and others > backlog
local due = expected and expected <= now
local before = due and '(' .. text(expected) or text(now)
local ahead = lists and 0 or redis.call('ZCOUNT', waiting, '-inf', before)

if opens == now and limit - #log > ahead then
  redis.call('RPUSH', sent, text(now))
  redis.call('LTRIM', sent, -limit, -1)
  redis.call('PEXPIRE', sent, milliseconds(window))
  redis.call('ZREM', waiting, id)
  redis.call('HDEL', records, id)
  local reply = {'send', now}
  if not lists then return reply end
  for _, other in ipairs(redis.call('ZRANGE', waiting, 0, carry - 1)) do
    local known = redis.call('HGET', records, other)
    if known then
      redis.call('ZADD', taken, text(now + grace), other)
      reply[#reply + 1] = other
      reply[#reply + 1] = known
    end
    redis.call('ZREM', waiting, other)
    redis.call('HDEL', records, other)
  end
  redis.call('ZREMRANGEBYSCORE', taken, '-inf', text(now))
  redis.call('PEXPIRE', taken, milliseconds(grace))
  return reply
end

-- Its place in the line, and the same counted in messages: each of those past
-- the backlog lists many.
local place = expected and redis.call('ZCOUNT', waiting, '-inf', '(' .. text(expected)) or others
local messages = place
if carry > 0 and place > backlog then
  messages = backlog + 1 + math.floor((place - backlog - 1) / (1 + carry))
end
-- The nth message may go a window after the one that is limit messages before
-- it; where there is none, as soon as the room is open.
local nth = #log + messages
local at = (log[nth % limit + 1] or opens) + math.floor(nth / limit) * window
at = math.max(at, opens, now + window / limit) + place -- a microsecond each keeps them in order
if not expected and others >= most then
  return {'wait', (at - now) * (1 + now % 1000 / 1000)} -- spread by the clock's last digits
end
redis.call('ZADD', waiting, text(at), id)
redis.call('HSET', records, id, record)
local last = redis.call('ZRANGE', waiting, -1, -1, 'WITHSCORES')[2]
local keep = milliseconds(tonumber(last) - now + grace)
redis.call('PEXPIRE', waiting, keep)
redis.call('PEXPIRE', records, keep)
return {'wait', at - now}
`)

// closeRoom closes a room for a time, or leaves it closed for longer.
// KEYS closed; ARGV microseconds.
var closeRoom = redis.NewScript(`
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local opens = now + tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1]) or 0) < opens and opens > now then
  redis.call('SET', KEYS[1], string.format('%.0f', opens), 'PX', string.format('%.0f', math.ceil(tonumber(ARGV[1]) / 1000)))
end
return 'ok'
`)
