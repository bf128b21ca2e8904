package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
)

// routed publishes an event, and waits until a router has had it.
func (f *fixture) routed(id string) {
	f.t.Helper()
	sample, err := schema.Sample("job.fail")
	require.NoError(f.t, err)
	sample.ID, sample.Source, sample.Account, sample.Time = id, "/p", "acme", time.Now()
	sequence, _, err := f.queue.PublishEvent(f.t.Context(), sample)
	require.NoError(f.t, err)
	pool := f.queue.NewPool(time.Second)
	pool.Events(1, func(ctx context.Context, e queue.PublishedEvent) queue.Outcome {
		return f.options.Replays.Routes.(interface {
			Route(stop, ctx context.Context, e queue.PublishedEvent) queue.Outcome
		}).Route(ctx, ctx, e)
	})
	ctx, stop := context.WithCancel(f.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pool.Run(ctx)
	}()
	require.Eventually(f.t, func() bool {
		last, err := f.queue.Routed(f.t.Context())
		return err == nil && last >= sequence
	}, 30*time.Second, 10*time.Millisecond)
	stop()
	<-ended
}

func TestEventsAreRoutedAgainForWhoJoinedLate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.routed("e1") // nobody is there yet
	f.ok("PUT", "/v1/accounts/acme/members/ada", "")
	var job struct {
		ID, State                string
		Handled, Total, Replayed int
		Plan                     replay.Plan
		Events                   replay.Events
	}
	f.ok("POST", "/v1/replays", `{"events":{"filter":{"type":"job.fail"},"user":"ada","channels":["email"]}}`).into(&job)
	require.Equal(t, "planned", job.State)
	require.Equal(t, []int{1, 1}, []int{job.Plan.Events, job.Plan.Deliveries})
	require.Equal(t, []replay.Group{{Channel: "email", Type: "job.fail", Letters: 1}}, job.Plan.Groups)
	require.Equal(t, "ada", job.Events.User)

	f.serveReplays()
	path := "/v1/replays/" + job.ID
	f.ok("POST", path, `{"action":"start"}`)
	require.Eventually(t, func() bool {
		f.ok("GET", path, "").into(&job)
		return job.State == "done"
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, []int{1, 1, 1}, []int{job.Handled, job.Total, job.Replayed})
	var waiting []string
	for d, err := range f.queue.Waiting(t.Context()) {
		require.NoError(t, err)
		waiting = append(waiting, d.Event.ID+" "+d.User+" "+d.Channel)
	}
	require.Equal(t, []string{"e1 ada email"}, waiting)
	f.ok("POST", "/v1/replays", `{"events":{"filter":{}}}`).into(&job)
	require.Equal(t, 1, job.Plan.Skips[replay.SkipWaiting])
}

func TestEventsThatCannotBeRoutedAgainAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.routed("e1")
	require.Equal(t, "no event matches the filter", f.call("POST", "/v1/replays", `{"events":{"filter":{"account":"zeta"}}}`).refused(422).Detail)
	f.call("POST", "/v1/replays", `{"events":{"filter":{"sequences":[99]}}}`).refused(404)
	for body, place := range map[string]string{
		`{}`:                                   "body",
		`{"filter":{},"events":{"filter":{}}}`: "body",
		`{"events":{"filter":{"type":"job.fial"}}}`:      "body.events.filter",
		`{"events":{"filter":{},"channels":["pigeon"]}}`: "body.events.channels",
		`{"events":{"filter":{},"user":"a.b"}}`:          "body.events.user",
	} {
		p := f.call("POST", "/v1/replays", body).refused(422)
		require.Equal(t, place, p.Errors[0].Location, body)
	}
}
