package chaos

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// verdict is what the judge has found of one run.
type verdict struct {
	events, deliveries          int
	delivered, suppressed, dead int
	duplicates                  int      // acceptances by far ends beyond the first of each delivery
	unanswered                  int      // of these: no answer had come in the time that an answer may take
	repeated                    []string // the story of each delivery that was accepted more than once
	recovered                   time.Duration
	wrong                       []string // what breaks a promise
}

// evidence is what there is to judge by.
type evidence struct {
	plans    map[[2]string][]schema.Record // by event and user; more than one if the first could not be stored
	ends     map[string]schema.Record      // by delivery: the newest that ends it
	letters  map[string]bool               // deliveries that lie dead
	accepted map[string]int                // by far ends
	notices  map[string]bool               // deliveries to owners, of what happened to their endpoints
	attempts map[string][]schema.Record    // by delivery: the records of those that were made
}

// judge follows every event that was published to every member of its account.
// calm is when the fault was over.
func (s *site) judge(events []published, calm time.Time) verdict {
	s.t.Helper()
	e, received := s.evidence(), s.far.received()
	v := verdict{events: len(events)}
	known := map[string]bool{}
	for _, p := range events {
		for _, m := range membersOf(p.event.Account) {
			plans := e.plans[[2]string{p.event.ID, m.user}]
			if len(plans) == 0 {
				v.blame("event %s of %s: nobody decided about %s", p.event.ID, p.event.Account, m.user)
				continue
			}
			plan := plans[len(plans)-1]
			v.blameFor(p.event, m, plan)
			for _, d := range e.deliveries(plans) {
				known[d.ID] = true
				v.follow(e, plan, d)
				if end := e.ends[d.ID]; p.at.Before(calm) {
					v.recovered = max(v.recovered, end.At.Sub(calm))
				}
			}
		}
	}
	for id, times := range e.accepted {
		if times > 1 {
			v.duplicates += times - 1
			v.unanswered += min(times-1, e.unansweredInTime(id))
			v.repeated = append(v.repeated, storyOf(id, received[id], e.attempts[id]))
		}
		if !known[id] && !e.notices[id] {
			v.blame("a far end has %s, which nobody planned", id)
		}
	}
	v.blameEarly(received, e.attempts)
	v.blameAudit(s.audit(), len(e.notices))
	return v
}

// unansweredInTime counts the attempts of a delivery that ended only because
// whoever made them had waited for the whole time that an answer may take: that the
// far end has accepted one of these, nobody could know.
func (e evidence) unansweredInTime(id string) (n int) {
	for _, a := range e.attempts[id] {
		if a.Kind == schema.RecordFailed && a.Channel == "webhook" && a.Status == "" && a.Took >= webhookTimeout {
			n++
		}
	}
	return n
}

// storyOf is when a delivery came, and what the ledger has of its attempts: one
// that was accepted, and failed all the same, was answered too late for who sent
// it.
func storyOf(id string, received []time.Time, attempts []schema.Record) string {
	var story strings.Builder
	fmt.Fprintf(&story, "%s came at", id)
	for _, at := range received {
		fmt.Fprintf(&story, " %s", at.Format(time.StampMilli))
	}
	for _, a := range attempts {
		fmt.Fprintf(&story, "; attempt %d by %s %s at %s after %s %s", a.Attempt, a.Channel, a.Kind, a.At.Format(time.StampMilli), a.Took, a.Reason)
	}
	return story.String()
}

// deliveries are those of the last plan, and of plans before it what was stored
// all the same.
func (e evidence) deliveries(plans []schema.Record) (all []schema.Planned) {
	for i, plan := range slices.Backward(plans) {
		for _, d := range plan.Deliveries {
			last, stored := i == len(plans)-1, e.ends[d.ID].Kind != ""
			if (last || stored) && !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

func (v *verdict) blame(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

// blameFor checks a plan against what the member has chosen.
func (v *verdict) blameFor(e schema.Event, m member, plan schema.Record) {
	var by []string
	for _, d := range plan.Deliveries {
		by = append(by, d.Channel)
	}
	slices.Sort(by)
	wanted := m.wanted(e.Type)
	if !slices.Equal(by, wanted) && (m.user != fickle || len(by) > 0) {
		v.blame("event %s (%s) is to reach %s by %v, and was planned by %v", e.ID, e.Type, m.user, wanted, by)
	}
	if decided := len(plan.Deliveries) + len(plan.Skipped); decided != len(offered) {
		v.blame("event %s for %s: %d of %d channels are accounted for", e.ID, m.user, decided, len(offered))
	}
}

// follow sees that a delivery ended, and that those who should know of its end do.
func (v *verdict) follow(e evidence, plan schema.Record, d schema.Planned) {
	v.deliveries++
	name := fmt.Sprintf("delivery %s of event %s to %s by %s", d.ID, plan.Event, plan.User, d.Channel)
	switch end := e.ends[d.ID]; end.Kind {
	case schema.RecordDelivered:
		v.delivered++
		if e.accepted[d.ID] == 0 {
			v.blame("%s: the ledger says delivered, and the far end has no such thing", name)
		}
	case schema.RecordSuppressed:
		v.suppressed++
		if end.Rule == "" {
			v.blame("%s: suppressed without a reason", name)
		}
	case schema.RecordDead:
		v.dead++
		if !e.letters[d.ID] {
			v.blame("%s: the ledger says dead, and there is no letter", name)
		}
	default:
		v.blame("LOST: %s; far ends accepted it %d times", name, e.accepted[d.ID])
	}
}

// tooEarly is by how much a retry may come before it is due.
const tooEarly = time.Second

// blameEarly finds retries that came before they were due. One that was sent more
// often than its attempts were recorded was in the hands of a worker that died or
// stood still: what that one sent is no retry.
func (v *verdict) blameEarly(received map[string][]time.Time, attempts map[string][]schema.Record) {
	for id, records := range attempts {
		if len(received[id]) > len(records) {
			continue
		}
		for _, failed := range records {
			for _, at := range received[id] {
				if failed.Kind == schema.RecordFailed && at.After(failed.At) && at.Before(failed.Next.Add(-tooEarly)) {
					v.blame("%s was due at %s and tried again at %s", id, failed.Next, at)
				}
			}
		}
	}
}

func (v *verdict) blameAudit(r ledger.Result, notices int) {
	for _, l := range r.Missing {
		v.blame("the audit misses %s of event %s to %s", l.Delivery, l.Event, l.User)
	}
	if r.Waiting > 0 {
		v.blame("the audit finds %d deliveries that wait", r.Waiting)
	}
	if r.Planned != v.deliveries+notices {
		v.blame("the audit counts %d deliveries, and the judge %d and %d notices", r.Planned, v.deliveries, notices)
	}
}

func (s *site) evidence() evidence {
	s.t.Helper()
	e := evidence{plans: map[[2]string][]schema.Record{}, ends: map[string]schema.Record{}, letters: map[string]bool{}, notices: map[string]bool{}, attempts: map[string][]schema.Record{}}
	for r, err := range s.queue.Ledger(s.t.Context(), queue.LedgerQuery{}) {
		require.NoError(s.t, err)
		if r.Kind == schema.RecordFailed || r.Kind == schema.RecordDelivered || r.Kind == schema.RecordDead {
			e.attempts[r.Delivery] = append(e.attempts[r.Delivery], r)
		}
		switch {
		case r.Source != source:
			for _, d := range r.Deliveries {
				e.notices[d.ID] = true
			}
		case r.Kind == schema.RecordPlanned:
			key := [2]string{r.Event, r.User}
			e.plans[key] = append(e.plans[key], r)
		case r.Kind.Ends():
			e.ends[r.Delivery] = r
		}
	}
	for l, err := range s.queue.DeadLetters(s.t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(s.t, err)
		if l.Delivery != nil {
			e.letters[l.Delivery.ID()] = true
		}
	}
	e.accepted, _ = s.far.accepted()
	return e
}

// audit asks as an operator does.
func (s *site) audit() (result ledger.Result) {
	s.t.Helper()
	path, err := program()
	require.NoError(s.t, err)
	// It exits 1 if something is missing, and says what; the judge does too.
	out, err := exec.CommandContext(s.t.Context(), path, "ledger", "audit", "-o", "json", "--since", "1h", "--nats-url", s.natsURL()).Output()
	if len(out) == 0 {
		require.NoError(s.t, err)
	}
	require.NoError(s.t, json.Unmarshal(out, &result))
	return result
}
