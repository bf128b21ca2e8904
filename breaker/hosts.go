package breaker

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Hosts shares the states of hosts among the fleet. At which host a target is
// reached stands in its encrypted settings, so a host's state cannot be read
// together with them. Instead every worker keeps those that the fleet has noted,
// and asks from time to time what has changed: one command a second for all that
// is sent.
//
// Keys, in one slot of a cluster; both forget a host a day after its last change:
//
//	tocsin:breaker:{hosts}:states    hash: "https://example.com:443" is its State
//	tocsin:breaker:{hosts}:changes   sorted set: the same hosts by when their state changed
type Hosts struct {
	// Every is how old the knowledge of a worker may be. Set it before use.
	Every time.Duration

	client redis.UniversalClient

	mu     sync.Mutex
	known  map[string]Record
	newest int64     // the newest change that is known, in microseconds of Redis' clock
	asked  time.Time // zero: never
}

// NewHosts shares states by client's Redis, and looks for changes each second.
func NewHosts(client redis.UniversalClient) *Hosts {
	return &Hosts{Every: time.Second, client: client, known: make(map[string]Record)}
}

var hostKeys = []string{"tocsin:breaker:{hosts}:states", "tocsin:breaker:{hosts}:changes"}

const (
	// keptFor is how long a host's state outlives its last change.
	keptFor = 24 * time.Hour
	// page is how many changes one command brings.
	page = 500
	// manyKnown is how many hosts a worker keeps before it looks for such as are
	// of no use any more.
	manyKnown = 10_000
)

// Read returns what is known of a host. It asks Redis if it has not done so for
// a while. The error is Redis', and nothing is known then.
func (h *Hosts) Read(ctx context.Context, host string) (Record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.asked) >= h.Every {
		if err := h.ask(ctx); err != nil {
			return Record{}, err
		}
		h.asked = now
	}
	return h.known[host], nil
}

// ask reads what has changed. Others wait for it: it is one short command.
func (h *Hosts) ask(ctx context.Context) error {
	for {
		reply, err := changesSince.Run(ctx, h.client, hostKeys, h.newest, page).StringSlice()
		if err != nil {
			return fmt.Errorf("read the states of hosts: %w", err)
		}
		for ; len(reply) >= 3; reply = reply[3:] {
			h.known[reply[0]] = ParseRecord(reply[2])
			if at, err := strconv.ParseInt(reply[1], 10, 64); err == nil {
				h.newest = max(h.newest, at)
			}
		}
		if len(reply) == 0 {
			break
		}
	}
	if len(h.known) > manyKnown {
		maps.DeleteFunc(h.known, func(_ string, r Record) bool {
			return r.Phase == Closed && r.Fails == 0 || time.Since(r.Changed) > keptFor
		})
	}
	return nil
}

// Swap notes a host's state, if what is noted is still what was read as before,
// and returns what is noted then.
func (h *Hosts) Swap(ctx context.Context, host string, before, after Record) (now Record, swapped bool, err error) {
	reply, err := swapHost.Run(ctx, h.client, hostKeys, host, before.text, after.text, keptFor.Microseconds()).Slice()
	if err != nil {
		return before, false, fmt.Errorf("note the state of a host: %w", err)
	}
	did, _ := reply[0].(int64)
	text, _ := reply[1].(string)
	now = ParseRecord(text)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[host] = now
	return now, did == 1, nil
}

// changesSince lists hosts whose state changed after a moment, oldest change
// first: host, moment, state, host, moment, state …
// KEYS states, changes; ARGV moment, how many at most.
var changesSince = redis.NewScript(`
local reply = {}
local changed = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #changed, 2 do
  reply[#reply + 1] = changed[i]
  reply[#reply + 1] = string.format('%.0f', tonumber(changed[i + 1]))
  reply[#reply + 1] = redis.call('HGET', KEYS[1], changed[i]) or ''
end
return reply
`)

// swapHost notes a state in place of the one that was read, and forgets hosts
// that have not changed for long, a few at a time. The moments of changes grow
// even where the clock is set back.
// KEYS states, changes; ARGV host, state as read, new state, microseconds to
// keep it.
var swapHost = redis.NewScript(`
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then return {0, now} end
local clock = redis.call('TIME')
local moment = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if last and tonumber(last) >= moment then moment = tonumber(last) + 1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.0f', moment), ARGV[1])
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', moment - tonumber(ARGV[4])), 'LIMIT', 0, 100)
if #old > 0 then
  redis.call('ZREM', KEYS[2], unpack(old))
  redis.call('HDEL', KEYS[1], unpack(old))
end
return {1, ARGV[3]}
`)
