package targets

import (
	"context"
	"time"

	"tocsin/prefs"
	"tocsin/schema"
)

// State is how a target fares.
type State string

// States of a target.
const (
	New        State = "new"        // nothing was sent to it since it was saved
	Working    State = "working"    // the newest attempt was accepted
	Failing    State = "failing"    // the newest attempt was not
	Paused     State = "paused"     // it failed so often that nothing is sent until Next
	Off        State = "off"        // switched off; saving it again switches it on
	Unreadable State = "unreadable" // its settings were encrypted with a key that the installation no longer has
	Unknown    State = "unknown"    // nobody can say at the moment: the ledger is away
)

// Health is how a target fares, and since when.
type Health struct {
	State  State     `json:"state" enum:"new,working,failing,paused,off,unreadable,unknown"`
	Since  time.Time `json:"since" doc:"Since when it is in this state."`
	Status string    `json:"status,omitempty" doc:"What the far end said, if it fails."`
	Reason string    `json:"reason,omitempty" doc:"Why it fails or was switched off, for people."`

	LastDelivered time.Time `json:"last_delivered,omitzero" doc:"When something last arrived."`
	Next          time.Time `json:"next,omitzero" doc:"When the next attempt is due of what waits for one."`
}

// watch is what the ledger tells of a user's targets.
type watch struct {
	seen  map[prefs.TargetRef]*Health
	next  map[prefs.TargetRef]map[string]time.Time // by delivery
	blind bool                                     // the ledger could not be read
}

// watch reads the ledger once for all targets. What was sent before a target was
// saved as it is says nothing about it, but for when something last arrived.
func (c *Channels) watch(ctx context.Context, user string, targets []prefs.Target) watch {
	w := watch{seen: map[prefs.TargetRef]*Health{}, next: map[prefs.TargetRef]map[string]time.Time{}}
	if c.Records == nil || len(targets) == 0 {
		w.blind = c.Records == nil
		return w
	}
	saved := map[prefs.TargetRef]time.Time{}
	for _, t := range targets {
		ref := t.TargetRef
		saved[ref], w.seen[ref], w.next[ref] = t.Since, &Health{}, map[string]time.Time{}
	}
	for r, err := range c.Records(ctx, user) {
		if err != nil {
			w.blind = true
			return w
		}
		ref := prefs.TargetRef{Channel: r.Channel, ID: r.Target}
		if since, known := saved[ref]; known {
			w.note(ref, r, since)
		}
	}
	return w
}

func (w watch) note(ref prefs.TargetRef, r schema.Record, saved time.Time) {
	h := w.seen[ref]
	delete(w.next[ref], r.Delivery)
	switch r.Kind {
	case schema.RecordDelivered:
		h.LastDelivered = r.At
		h.become(Working, r, saved)
	case schema.RecordFailed:
		w.next[ref][r.Delivery] = r.Next
		h.become(Failing, r, saved)
	case schema.RecordDead:
		h.become(Failing, r, saved)
	}
}

func (h *Health) become(state State, r schema.Record, saved time.Time) {
	if r.At.Before(saved) {
		return
	}
	if h.State != state {
		h.State, h.Since = state, r.At
	}
	h.Status, h.Reason = r.Status, r.Reason
	if state == Working {
		h.Status, h.Reason = "", ""
	}
}

// health joins what the preferences note of a target, which steers the fleet,
// and what the ledger tells of each delivery.
func (w watch) health(t prefs.Target) Health {
	h := Health{}
	if seen := w.seen[t.TargetRef]; seen != nil {
		h = *seen
	}
	h.Next = w.soonest(t.TargetRef)
	switch {
	case t.Err != nil:
		return Health{
			State: Unreadable, Since: t.Since, LastDelivered: h.LastDelivered,
			Reason: "the saved settings cannot be opened: the operator of this installation has to bring back the key, or you save them anew",
		}
	case t.Off:
		return Health{State: Off, Since: t.Since, Reason: t.Reason, LastDelivered: h.LastDelivered}
	case t.Health.Status != prefs.Working:
		return h.noted(t.Health)
	case w.blind:
		h.State, h.Since = Unknown, t.Since
	case h.State == "":
		h.State, h.Since = New, t.Since
	}
	return h
}

// noted is what the fleet acts on: it also knows of attempts whose records the
// ledger has dropped.
func (h Health) noted(by prefs.Health) Health {
	h.State, h.Since, h.Reason = Failing, by.Since, by.Error
	if by.Status == prefs.Paused || by.Status == prefs.Probing {
		h.State = Paused
	}
	if h.Next.IsZero() || by.Next.After(h.Next) {
		h.Next = by.Next
	}
	return h
}

func (w watch) soonest(ref prefs.TargetRef) time.Time {
	var next time.Time
	for _, due := range w.next[ref] {
		if due.After(time.Now()) && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}
