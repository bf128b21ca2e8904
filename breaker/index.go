package breaker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Index tells which endpoints of the fleet do not work, so that people need not
// look through all states for them. It is written when a phase changes, beside
// the state and not with it: a worker that dies between the two leaves an entry
// that is out of date for at most an hour.
//
// Keys, in one slot of a cluster, for each kind (a channel for its targets, or
// HostKind) and each phase but closed:
//
//	tocsin:breaker:{index}:webhook:open   sorted set: "ada/webhook:main" by when its phase changed, in milliseconds
type Index struct{ client redis.UniversalClient }

// NewIndex keeps the index in client's Redis.
func NewIndex(client redis.UniversalClient) *Index { return &Index{client} }

// HostKind stands where channels do, for hosts.
const HostKind = "host"

// phases are those that are kept, and how long an endpoint stays in each without
// a change: an open one is tried again every few minutes as long as anything
// waits for it, and an attempt, or a recovery, is over sooner.
var phases = [...]struct {
	phase Phase
	lasts time.Duration
}{
	{Open, time.Hour},
	{HalfOpen, TargetPolicy().Lease},
	{Recovering, TargetPolicy().Ramp},
}

func indexKey(kind string, phase Phase) string {
	return "tocsin:breaker:{index}:" + kind + ":" + string(phase)
}

// Note says that an endpoint has come into this phase.
func (i *Index) Note(ctx context.Context, kind, name string, phase Phase) error {
	keys, now := make([]string, len(phases)), time.Now()
	entered := ""
	for n, p := range phases {
		keys[n] = indexKey(kind, p.phase)
		if p.phase == phase {
			entered = keys[n]
		}
	}
	forgotten := now.Add(-phases[0].lasts)
	err := notePhase.Run(ctx, i.client, keys, entered, name, now.UnixMilli(), forgotten.UnixMilli()).Err()
	if err != nil {
		return fmt.Errorf("note the phase of an endpoint: %w", err)
	}
	return nil
}

// Counts is how many endpoints of each kind are in each phase but closed.
func (i *Index) Counts(ctx context.Context, kinds ...string) (map[string]map[Phase]int64, error) {
	now := time.Now()
	counted := map[string]map[Phase]*redis.IntCmd{}
	_, err := i.client.Pipelined(ctx, func(all redis.Pipeliner) error {
		for _, kind := range kinds {
			counted[kind] = map[Phase]*redis.IntCmd{}
			for _, p := range phases {
				since := strconv.FormatInt(now.Add(-p.lasts).UnixMilli(), 10)
				counted[kind][p.phase] = all.ZCount(ctx, indexKey(kind, p.phase), since, "+inf")
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count endpoints that do not work: %w", err)
	}
	counts := make(map[string]map[Phase]int64, len(kinds))
	for kind, of := range counted {
		counts[kind] = make(map[Phase]int64, len(of))
		for phase, n := range of {
			counts[kind][phase] = n.Val()
		}
	}
	return counts, nil
}

// Newest lists the endpoints of a kind that are in a phase, those first whose
// phase changed last, at most so many.
func (i *Index) Newest(ctx context.Context, kind string, phase Phase, most int) ([]string, error) {
	now := time.Now()
	for _, p := range phases {
		if p.phase != phase {
			continue
		}
		names, err := i.client.ZRevRangeByScore(ctx, indexKey(kind, phase), &redis.ZRangeBy{
			Min: strconv.FormatInt(now.Add(-p.lasts).UnixMilli(), 10), Max: "+inf", Count: int64(most),
		}).Result()
		if err != nil {
			return nil, fmt.Errorf("list endpoints that do not work: %w", err)
		}
		return names, nil
	}
	return nil, nil
}

// notePhase moves an endpoint to the set of its phase, if it has one, and
// forgets what has not changed for long.
// KEYS the sets of all phases; ARGV the set of its phase or nothing, endpoint,
// now, before when to forget.
var notePhase = redis.NewScript(`
for _, key in ipairs(KEYS) do
  if key == ARGV[1] then
    redis.call('ZADD', key, ARGV[3], ARGV[2])
  else
    redis.call('ZREM', key, ARGV[2])
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. ARGV[4])
end
return 0
`)
