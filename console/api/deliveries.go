package api

import (
	"context"
	"iter"
	"net/http"
	"time"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

// eventStory is what became of one event for one member of its account.
type eventStory struct {
	Account    string          `json:"account"`
	User       string          `json:"user"`
	Source     string          `json:"source"`
	ID         string          `json:"id" doc:"The event's id within its source."`
	Type       string          `json:"type"`
	Summary    string          `json:"summary,omitempty" doc:"One line for people."`
	At         time.Time       `json:"at" doc:"When the event was routed."`
	Deliveries []deliveryStory `json:"deliveries" nullable:"false"`
	Skipped    []skippedStory  `json:"skipped" nullable:"false" doc:"Where nothing was sent, and why."`
}

type deliveryStory struct {
	ID       string        `json:"id" doc:"The delivery's id: webhook-id, apns-id, Message-ID."`
	Channel  string        `json:"channel"`
	Target   string        `json:"target"`
	State    string        `json:"state" enum:"waiting,delivered,suppressed,dead"`
	Attempts int           `json:"attempts" doc:"How many attempts were made since it began, or began anew."`
	Next     time.Time     `json:"next_attempt,omitzero" doc:"When the next one is due."`
	History  []recordStory `json:"history" nullable:"false" doc:"What happened to it, oldest first."`
}

type recordStory struct {
	Kind         string    `json:"kind" enum:"failed,delivered,suppressed,dead,replayed"`
	At           time.Time `json:"at"`
	Attempt      int       `json:"attempt,omitempty"`
	Status       string    `json:"status,omitempty" doc:"What the far end said."`
	Reason       string    `json:"reason,omitempty"`
	Milliseconds int64     `json:"milliseconds,omitempty" doc:"How long the attempt took."`
}

type skippedStory struct {
	Channel string `json:"channel"`
	Target  string `json:"target,omitempty"`
	Rule    string `json:"rule" enum:"no_user,not_member,no_members,not_set_up,target_off,chosen_off,default_off"`
	Why     string `json:"why" doc:"The rule, in words."`
}

// lookBack is how far back is looked unless the caller says so: for as long as
// events are kept by default.
const lookBack = 72 * time.Hour

// Period bounds what is looked for in the ledger.
type Period struct {
	Since time.Time `query:"since" doc:"What was stored then or later. Default: 72 hours ago."`
	Until time.Time `query:"until" doc:"What was stored before."`
}

func (p Period) begin() time.Time {
	if p.Since.IsZero() {
		return time.Now().Add(-lookBack)
	}
	return p.Since
}

func (a *API) registerDeliveries() {
	const topic = "Deliveries"
	type list struct {
		UserPath
		Period
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many events at most, the newest."`
	}
	type deliveryList struct {
		Events []eventStory `json:"events" nullable:"false" doc:"Newest first."`
		More   bool         `json:"more" doc:"Whether there are more than were asked for: ask until the last one's time."`
	}
	type deliveries struct{ Body deliveryList }
	register(a, operation{
		id: "list-deliveries", method: http.MethodGet, path: "/v1/users/{user}/deliveries", tag: topic, summary: "What a user was told",
		more: "By event: each channel's outcome, attempts and next attempt, and why nothing was sent by the others.",
	}, func(ctx context.Context, in *list) (*deliveries, error) {
		if _, err := a.Store.User(ctx, in.User); err != nil {
			return nil, err
		}
		stories, err := a.userStories(ctx, in.User, in.Period)
		out := &deliveries{}
		out.Body.More = len(stories) > in.Limit
		out.Body.Events = told(stories[:min(len(stories), in.Limit)])
		return out, err
	})

	type event struct {
		Source  string `path:"source" maxLength:"1024" doc:"The event's source, percent-encoded: %2Fplatform%2Fdeployer." example:"%2Fplatform%2Fdeployer"`
		ID      string `path:"id" maxLength:"1024" doc:"The event's id, percent-encoded."`
		Account string `query:"account" required:"true" pattern:"^[A-Za-z0-9_-]{1,64}$" doc:"The account that it was published for: by it and by the time events are found."`
		Period
	}
	type eventMembers struct {
		Members []eventStory `json:"members" nullable:"false" doc:"One for each member of the account."`
	}
	type eventAnswer struct{ Body eventMembers }
	register(a, operation{
		id: "get-event", method: http.MethodGet, path: "/v1/events/{source}/{id}", tag: topic, summary: "Whom an event was told to",
		more: "For each member of its account what was sent, and why not.",
	}, func(ctx context.Context, in *event) (*eventAnswer, error) {
		found := a.Ledger.Ledger(ctx, queue.LedgerQuery{Account: in.Account, Since: in.begin(), Until: in.Until})
		stories, err := ledger.Stories(ofEvent(found, in.Source, in.ID))
		if err == nil && len(stories) == 0 {
			err = problemOf(http.StatusNotFound, "the ledger holds nothing of such an event of this account in this time")
		}
		out := &eventAnswer{}
		out.Body.Members = told(stories)
		return out, err
	})
}

// userStories reads account by account: a subject that is named whole is found
// by the server at once, one with a wildcard is looked for among all.
func (a *API) userStories(ctx context.Context, user string, p Period) ([]ledger.Story, error) {
	accounts, err := a.Store.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	return ledger.Stories(func(yield func(schema.Record, error) bool) {
		for _, account := range accounts {
			query := queue.LedgerQuery{Account: account, User: user, Since: p.begin(), Until: p.Until}
			for r, err := range a.Ledger.Ledger(ctx, query) {
				if !yield(r, err) {
					return
				}
			}
		}
	})
}

func ofEvent(records iter.Seq2[schema.Record, error], source, id string) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		for r, err := range records {
			if (err != nil || r.Source == source && r.Event == id) && !yield(r, err) {
				return
			}
		}
	}
}

func told(stories []ledger.Story) []eventStory {
	all := make([]eventStory, 0, len(stories))
	for _, s := range stories {
		event := eventStory{
			Account: s.Account, User: s.User, Source: s.Source, ID: s.Event, Type: s.Type, Summary: s.Summary, At: s.At,
			Deliveries: []deliveryStory{}, Skipped: []skippedStory{},
		}
		for _, d := range s.Deliveries {
			event.Deliveries = append(event.Deliveries, toldDelivery(d))
		}
		for _, skipped := range s.Skipped {
			event.Skipped = append(event.Skipped, skippedStory{
				Channel: skipped.Channel, Target: skipped.Target, Rule: string(skipped.Rule), Why: skipped.Rule.String(),
			})
		}
		all = append(all, event)
	}
	return all
}

func toldDelivery(d ledger.Delivery) deliveryStory {
	story := deliveryStory{
		ID: d.ID, Channel: d.Channel, Target: d.Target, State: string(d.State), Attempts: d.Attempts(), Next: d.Next,
		History: []recordStory{},
	}
	for _, r := range d.Records {
		story.History = append(story.History, recordStory{
			Kind: string(r.Kind), At: r.At, Attempt: r.Attempt, Status: r.Status, Reason: r.Reason, Milliseconds: r.Took.Milliseconds(),
		})
	}
	return story
}
