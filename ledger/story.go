// Package ledger makes sense of the records of the ledger. A Story tells people
// what became of one event for one member of its account; an Audit shows that
// nothing was lost: each delivery that was planned has ended, or still waits.
package ledger

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"tocsin/schema"
)

// Story is what became of one event for one member of its account.
type Story struct {
	Account string `json:"account"`
	User    string `json:"user"`
	Source  string `json:"source"`
	Event   string `json:"event"` // its id within Source
	Type    string `json:"type"`

	// From the record of what was planned; zero if the ledger has dropped it.
	Summary  string           `json:"summary,omitempty"` // one line for people
	Sequence uint64           `json:"sequence,omitempty"`
	Skipped  []schema.Skipped `json:"skipped,omitempty"` // channels and targets by which the member was not told

	At         time.Time  `json:"at"`         // when it was routed; if that is not known, the first that is
	Deliveries []Delivery `json:"deliveries"` // by channel and target
}

// Delivery is what became of one delivery.
type Delivery struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Target  string `json:"target"`
	State   State  `json:"state"`

	// Next is when the next attempt is due; zero if there is none, or if it is
	// not known: the first is made at once.
	Next time.Time `json:"next,omitzero"`

	// Records are what happened to it, oldest first: failed attempts, ends and
	// replays.
	Records []schema.Record `json:"records,omitempty"`
}

// State is how far a delivery has come.
type State string

// States of a delivery.
const (
	Waiting    State = "waiting"
	Delivered  State = "delivered"
	Suppressed State = "suppressed"
	Dead       State = "dead"
)

var stateAfter = map[schema.RecordKind]State{
	schema.RecordFailed:     Waiting,
	schema.RecordReplayed:   Waiting,
	schema.RecordDelivered:  Delivered,
	schema.RecordSuppressed: Suppressed,
	schema.RecordDead:       Dead,
}

// Attempts is how many attempts were made since the delivery began, or began
// anew.
func (d Delivery) Attempts() int {
	if len(d.Records) == 0 {
		return 0
	}
	return d.Records[len(d.Records)-1].Attempt
}

// Replays is how often the delivery began anew.
func (d Delivery) Replays() int {
	most := 0
	for _, r := range d.Records {
		most = max(most, r.Replay)
	}
	return most
}

// Last is the newest record, or a zero one where nothing has happened yet.
func (d Delivery) Last() schema.Record {
	if len(d.Records) == 0 {
		return schema.Record{}
	}
	return d.Records[len(d.Records)-1]
}

// Stories folds records, which come oldest first, into stories, newest first.
// Records of a story may be missing or there twice: it is then as whole as the
// ledger is.
func Stories(records iter.Seq2[schema.Record, error]) ([]Story, error) {
	found := map[storyKey]*story{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		key := storyKey{r.Account, r.User, r.Source, r.Event}
		if found[key] == nil {
			found[key] = begin(r)
		}
		found[key].add(r)
	}
	stories := make([]Story, 0, len(found))
	for _, s := range found {
		stories = append(stories, s.whole())
	}
	slices.SortFunc(stories, func(a, b Story) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Sequence, a.Sequence), cmp.Compare(a.User, b.User),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.Event, b.Event))
	})
	return stories, nil
}

type storyKey struct{ account, user, source, event string }

// story is a Story that is being told.
type story struct {
	Story
	deliveries map[string]*Delivery // by id
}

func begin(r schema.Record) *story {
	return &story{
		Story:      Story{Account: r.Account, User: r.User, Source: r.Source, Event: r.Event, Type: r.Type, At: r.At},
		deliveries: map[string]*Delivery{},
	}
}

func (s *story) add(r schema.Record) {
	if r.Kind == schema.RecordPlanned {
		s.Summary, s.Sequence, s.Skipped, s.At = r.Summary, r.Sequence, r.Skipped, r.At
		s.withdraw(r.Skipped)
		for _, p := range r.Deliveries {
			s.delivery(p)
		}
		return
	}
	d := s.delivery(schema.Planned{ID: r.Delivery, Channel: r.Channel, Target: r.Target})
	if state, known := stateAfter[r.Kind]; known && !d.tells(r) {
		d.State, d.Next = state, r.Next
		d.Records = append(d.Records, r)
	}
}

// withdraw forgets deliveries that an earlier plan meant, and of which nothing is
// told, in channels that the newest plan skips; see Audit.
func (s *story) withdraw(skipped []schema.Skipped) {
	maps.DeleteFunc(s.deliveries, func(_ string, d *Delivery) bool {
		return len(d.Records) == 0 && slices.ContainsFunc(skipped, func(by schema.Skipped) bool { return by.Channel == d.Channel })
	})
}

func (s *story) delivery(p schema.Planned) *Delivery {
	if s.deliveries[p.ID] == nil {
		s.deliveries[p.ID] = &Delivery{ID: p.ID, Channel: p.Channel, Target: p.Target, State: Waiting}
	}
	return s.deliveries[p.ID]
}

// tells reports whether a record is there already: a crash between storing it
// and acknowledging what it tells of makes another one. A replay that several
// people ask for at the same moment is made once, and each request is recorded,
// perhaps when the replay has ended already.
func (d *Delivery) tells(r schema.Record) bool {
	return slices.ContainsFunc(d.Records, func(have schema.Record) bool {
		same := have.Kind == r.Kind && have.Attempt == r.Attempt && have.Replay == r.Replay
		return same && (r.Kind == schema.RecordReplayed || have.At.Equal(r.At))
	})
}

func (s *story) whole() Story {
	for _, id := range slices.Sorted(maps.Keys(s.deliveries)) {
		s.Deliveries = append(s.Deliveries, *s.deliveries[id])
	}
	slices.SortStableFunc(s.Deliveries, func(a, b Delivery) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Target, b.Target))
	})
	return s.Story
}
