package worker

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy says when the next attempt of a delivery is made, and when there is
// none. Its defaults are 5 s × 3ⁿ, each 20 % up or down, at most 6 h, for 72 h:
//
//	after attempt   1    2    3     4      5      6      7      8 …
//	wait           5 s  15 s  45 s  2¼ m  6¾ m  20¼ m  61 m   3 h, 6 h, 6 h …
type Policy struct {
	Initial    time.Duration `name:"retry-initial" env:"TOCSIN_RETRY_INITIAL" default:"5s" help:"Wait after the first failed attempt."`
	Multiplier float64       `name:"retry-multiplier" env:"TOCSIN_RETRY_MULTIPLIER" default:"3" help:"How much longer each wait is than the one before."`
	Jitter     float64       `name:"retry-jitter" env:"TOCSIN_RETRY_JITTER" default:"0.2" help:"How far a wait may be off, up or down, as a fraction."`
	Max        time.Duration `name:"retry-max" env:"TOCSIN_RETRY_MAX" default:"6h" help:"The longest wait."`
	Window     time.Duration `name:"retry-window" env:"TOCSIN_RETRY_WINDOW" default:"72h" help:"How long a delivery is worth retrying; a channel may shorten it."`
}

// maxNamedWait bounds what a far end may ask for (Retry-After), so that one
// that says "next year" is asked again tomorrow.
const maxNamedWait = 24 * time.Hour

// Wait is the pause after the n-th failed attempt, n ≥ 1, of the delivery with
// this id. It is a pure function: the jitter comes from id and n, so that a
// decision taken twice is the same decision.
func (p Policy) Wait(id string, n int) time.Duration {
	schedule := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.Initial),
		backoff.WithMultiplier(p.Multiplier),
		backoff.WithMaxInterval(p.Max),
		backoff.WithRandomizationFactor(0),
		backoff.WithMaxElapsedTime(0),
	)
	wait := schedule.NextBackOff()
	for i := 1; i < n && wait < p.Max; i++ {
		wait = schedule.NextBackOff()
	}
	return time.Duration(float64(wait) * (1 + p.Jitter*spread(id, n)))
}

// spread is a number in [-1, 1) that looks random and depends on id and n alone.
func spread(id string, n int) float64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // attempts are counted up
	mixed := h.Sum64()
	mixed ^= mixed >> 33 // FNV's high bits hardly depend on its last input
	mixed *= 0xff51afd7ed558ccd
	mixed ^= mixed >> 33
	return float64(mixed>>11)/(1<<52) - 1
}

// Next is when to try again after the n-th failed attempt, and false when the
// window would be over by then. named is what the far end asked for: it can
// only make the wait longer.
func (p Policy) Next(id string, n int, planned, now time.Time, named time.Duration) (time.Time, bool) {
	wait := max(p.Wait(id, n), min(named, maxNamedWait))
	due := now.Add(wait)
	return due, due.Sub(planned) <= p.Window
}

// Within shortens the window to a channel's own, if that is shorter.
func (p Policy) Within(window time.Duration) Policy {
	if window > 0 {
		p.Window = min(p.Window, window)
	}
	return p
}
