package prefs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/schema"
)

const (
	// outageMemory is how long the turns of a resource are remembered after the
	// newest one. Of an outage that lasts longer nobody is told how long.
	outageMemory = 90 * 24 * time.Hour
	// outageTurns is how many turns of a resource are remembered, about 20 bytes
	// each: a server that flaps 16 times while an event waits to be routed again.
	outageTurns = 32
)

// NoteTurn remembers an event that begins or ends an outage of its resource. Of
// one that ends it, since is when that outage began, by the time of the event
// that told it; zero if nobody remembers one.
//
// The answer depends on what happened before the event, not on what was noted
// last: an event that is routed again, because its worker died, gets the same
// answer though the next outage has begun meanwhile, and events that come in
// another order than they happened in are put in their places. Only where an
// outage's beginning is routed after its end is the end told nothing.
func (s *Store) NoteTurn(ctx context.Context, e schema.Event) (since time.Time, err error) {
	kind, _ := schema.TypeNamed(e.Type)
	mark := map[schema.Turn]string{schema.Begins: "down", schema.Ends: "up"}[kind.Turn()]
	if mark == "" {
		return time.Time{}, nil
	}
	began, err := noteTurn.Run(ctx, s.client, []string{outageKey(e)},
		mark, e.Time.UnixMilli(), outageTurns, outageMemory.Milliseconds()).Int64()
	if absent(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("note the outage of %s: %w", e.Type, err)
	}
	return time.UnixMilli(began).UTC(), nil
}

// outageKey hashes the resource, which is bounded in nothing.
func outageKey(e schema.Event) string {
	digest := sha256.Sum256([]byte(e.Resource()))
	return "tocsin:outage:{" + e.Account + "}:" + hex.EncodeToString(digest[:16])
}

// noteTurn keeps the turns of a resource in the order of their times, in
// milliseconds. A "down" while it is down already is not kept, so that a job
// that fails every minute does not push out when that began. The answer to an
// "up" is the first "down" since the "up" before it.
// KEYS outage; ARGV "down" or "up", time, turns to keep, milliseconds to keep them.
var noteTurn = redis.NewScript(`
local function isdown(turn) return string.sub(turn, 1, 1) == 'd' end
local now = tonumber(ARGV[2])
local began = nil
for _, turn in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])) do
  local at = string.match(turn, '%-?%d+$')
  if isdown(turn) then
    began = began or at
  elseif tonumber(at) < now then
    began = nil
  end
end
if ARGV[1] == 'up' or not began then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1] .. ' ' .. ARGV[2])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if ARGV[1] == 'up' then return began end
return false
`)
