package prefs

import (
	"context"
	"fmt"
	"time"

	"tocsin/breaker"
)

// Health is how deliveries to a target have fared, for its owner.
type Health struct {
	Status HealthStatus // one word
	Since  time.Time    // of Working: since it last began to work, or was set up; of Off: since it is off; else since when nothing has succeeded
	Error  string       // why an attempt failed, for people, without address and credentials; empty while it works
	Next   time.Time    // of Paused and Probing: when it is tried again; zero otherwise
}

// HealthStatus is a Health in one word.
type HealthStatus string

// Statuses of a target.
const (
	Working HealthStatus = "working" // the newest attempt succeeded, or there was none
	Failing HealthStatus = "failing" // attempts are made, and the newest failed
	Paused  HealthStatus = "paused"  // it failed too often in a row: nothing is sent until Next (an open breaker)
	Probing HealthStatus = "probing" // one attempt is under way, or about to be, to see whether it works again (half-open)
	Off     HealthStatus = "off"     // switched off; saving it again switches it on
)

func healthOf(m marker, s breaker.State, now time.Time) Health {
	switch {
	case m.off:
		return Health{Status: Off, Since: m.at, Error: m.reason}
	case s.Failing.IsZero() && s.Changed.After(m.at):
		return Health{Status: Working, Since: s.Changed}
	case s.Failing.IsZero():
		return Health{Status: Working, Since: m.at}
	}
	h := Health{Status: Failing, Since: s.Failing, Error: s.Error}
	switch {
	case s.Phase == breaker.Open && now.Before(s.Until):
		h.Status, h.Next = Paused, s.Until
	case s.Phase == breaker.Open || s.Phase == breaker.HalfOpen:
		h.Status, h.Next = Probing, s.Until
	}
	return h
}

// SwapFare notes how a target fares, if what is noted is still what was read as
// before, and returns what is noted then: after, or what another worker has
// noted meanwhile.
func (s *Store) SwapFare(ctx context.Context, user string, ref TargetRef, before, after breaker.Record) (now breaker.Record, swapped bool, err error) {
	keys := []string{profileKey(user), prefsKey(user), healthKey(user)}
	reply, err := swapFare.Run(ctx, s.client, keys, markerField(ref), ref.String(), before.Text(), after.Text()).Slice()
	if err != nil {
		return before, false, fmt.Errorf("note how target %s of user %s fares: %w", ref, user, err)
	}
	did, _ := reply[0].(int64)
	text, _ := reply[1].(string)
	return breaker.ParseRecord(text), did == 1, nil
}
