package replay_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
)

// town is a NATS with events that were routed once, to the members that there
// were then.
type town struct {
	*replay.Replays
	t       *testing.T
	server  *servertest.NATSServer
	queue   *queue.Queue
	members []string
	handed  chan schema.Delivery
}

const everybody = "webhook"

// newTown routes n events, e0 and so on, of account acme. Deliveries of e1 die.
func newTown(t *testing.T, n int, members ...string) *town {
	t.Helper()
	server := servertest.NATS(t)
	q, err := queue.Connect(queue.Options{URL: server.URL(), Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	town := &town{server: server, Replays: &replay.Replays{Letters: q}, t: t, queue: q, members: members, handed: make(chan schema.Delivery, 10_000)}
	town.Routes = town
	for i := range n {
		town.publish(fmt.Sprint("e", i), "acme")
	}
	town.work()
	town.events(n * len(members))
	town.idle()
	return town
}

func (town *town) publish(id, account string) {
	e, err := schema.Sample("job.fail")
	require.NoError(town.t, err)
	e.ID, e.Source, e.Account, e.Time = id, "/p", account, time.Now()
	_, _, err = town.queue.PublishEvent(town.t.Context(), e)
	require.NoError(town.t, err)
}

func (town *town) work() {
	pool := town.queue.NewPool(time.Second)
	pool.Events(10, func(ctx context.Context, e queue.PublishedEvent) queue.Outcome {
		event, err := town.Read(e.Message)
		if err != nil {
			return queue.BuryEvent(queue.Death{Cause: queue.Invalid, Type: schema.UnknownType, Reason: err.Error()})
		}
		for plans, err := range town.Plans(ctx, event, e.Sequence, "", []string{everybody}) {
			if err == nil {
				err = town.queue.PublishPlans(ctx, plans)
			}
			if err != nil {
				return queue.HandBack()
			}
		}
		return queue.Done()
	})
	pool.Deliveries(everybody, 100, func(_ context.Context, d schema.Delivery) queue.Outcome {
		town.handed <- d
		if d.Event.ID == "e1" && d.Replays == 0 {
			return queue.Bury(d, queue.Death{Cause: queue.Permanent, Reason: "no"})
		}
		return queue.Delivered(d)
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pool.Run(ctx)
	}()
	town.t.Cleanup(func() { cancel(); <-ended })
}

// Read and Plans make the town its own router: every member is told by every
// channel that is offered.
func (town *town) Read(m schema.Message) (schema.Event, error) {
	if !strings.HasPrefix(string(m.Body), "{") {
		return schema.Event{}, errors.New("body: is not JSON")
	}
	return schema.ReadEvent(m.Header, m.Body)
}

func (town *town) Plans(_ context.Context, e schema.Event, sequence uint64, user string, offered []string) iter.Seq2[[]schema.Plan, error] {
	return func(yield func([]schema.Plan, error) bool) {
		var plans []schema.Plan
		for _, m := range town.members {
			if user != "" && m != user {
				continue
			}
			p := schema.Plan{Event: e, Sequence: sequence, User: m, At: time.Now()}
			for _, channel := range offered {
				p.Deliveries = append(p.Deliveries, schema.Delivery{
					Event: e, User: m, Channel: channel, Target: "main", Planned: p.At,
				})
			}
			plans = append(plans, p)
		}
		for some := range slices.Chunk(plans, 500) {
			if !yield(some, nil) {
				return
			}
		}
	}
}

// idle waits until all that was handed out has ended.
func (town *town) idle() {
	town.t.Helper()
	town.idleBut(0)
}

// idleBut is idle but for n deliveries, which nobody makes.
func (town *town) idleBut(n int) {
	town.t.Helper()
	require.Eventually(town.t, func() bool {
		waiting := 0
		for _, err := range town.queue.Waiting(town.t.Context()) {
			require.NoError(town.t, err)
			waiting++
		}
		routed, err := town.queue.Routed(town.t.Context())
		return err == nil && routed > 0 && waiting == n
	}, 30*time.Second, 10*time.Millisecond)
}

// events are what was handed out, n of them, as "e0 ada", sorted.
func (town *town) events(n int) []string {
	town.t.Helper()
	var found []string
	for range n {
		select {
		case d := <-town.handed:
			found = append(found, d.Event.ID+" "+d.User)
		case <-time.After(30 * time.Second):
			require.FailNow(town.t, "too few", "%v", found)
		}
	}
	slices.Sort(found)
	return found
}

func (town *town) plan(e replay.Events) replay.Job {
	town.t.Helper()
	if e.Channels == nil {
		e.Channels = []string{everybody}
	}
	job, err := town.PlanEvents(town.t.Context(), e, 0)
	require.NoError(town.t, err)
	return job
}

func (town *town) run(job replay.Job) replay.Job {
	town.t.Helper()
	job, err := town.Run(town.t.Context(), job.ID, nil)
	require.NoError(town.t, err)
	require.Equal(town.t, replay.Done, job.State)
	require.Equal(town.t, job.Total(), job.Handled())
	return job
}

// purge empties a stream.
func (town *town) purge(name string) error {
	stream, err := servertest.JetStream(town.t, town.server.URL()).Stream(town.t.Context(), name)
	require.NoError(town.t, err)
	return stream.Purge(town.t.Context())
}

func TestWhoJoinedLateIsToldAlone(t *testing.T) {
	t.Parallel()
	town := newTown(t, 3, "ada")
	town.members = append(town.members, "eve")
	job := town.plan(replay.Events{User: "eve"})
	require.Equal(t, []int{3, 3}, []int{job.Plan.Events, job.Plan.Deliveries})
	require.Equal(t, []replay.Group{{Channel: everybody, Type: "job.fail", Letters: 3}}, job.Plan.Groups)
	require.Empty(t, job.Plan.Skips)
	require.Equal(t, "eve", job.Plan.Examples[0].User)
	require.Empty(t, town.handed, "a plan does nothing")

	job = town.run(job)
	require.Equal(t, []int{3, 0, 3}, []int{job.Replayed, job.Skipped, job.Routed})
	require.Equal(t, []string{"e0 eve", "e1 eve", "e2 eve"}, town.events(3))
	require.Empty(t, town.handed)
}

func TestWhatWasDeliveredIsNotSentAgainUnlessAsked(t *testing.T) {
	t.Parallel()
	town := newTown(t, 3, "ada")
	job := town.plan(replay.Events{})
	require.Equal(t, 1, job.Plan.Deliveries, "the dead one")
	require.Equal(t, replay.Skips{replay.SkipDelivered: 2}, job.Plan.Skips)
	job = town.run(job)
	require.Equal(t, []int{1, 2}, []int{job.Replayed, job.Skipped})
	require.Equal(t, []string{"e1 ada"}, town.events(1))
	for l, err := range town.queue.DeadLetters(t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(t, err)
		require.Fail(t, "its letter lives again", "%d", l.Sequence)
	}
	town.idle()

	job = town.run(town.plan(replay.Events{Resend: true}))
	require.Equal(t, []int{3, 0}, []int{job.Replayed, job.Skipped})
	for range 3 {
		d := <-town.handed
		require.Positive(t, d.Replays, "the far end can tell")
	}
}

func TestEventsAreChosen(t *testing.T) {
	t.Parallel()
	town := newTown(t, 2, "ada")
	town.publish("other", "zeta")
	town.events(1)
	town.idle()
	middle := time.Now()
	town.publish("late", "acme")
	town.events(1)
	town.idle()
	for name, test := range map[string]struct {
		filter queue.EventFilter
		want   int
	}{
		"all":      {queue.EventFilter{}, 4},
		"type":     {queue.EventFilter{Type: "job.fail"}, 4},
		"account":  {queue.EventFilter{Account: "acme"}, 3},
		"since":    {queue.EventFilter{Since: middle}, 1},
		"until":    {queue.EventFilter{Until: middle}, 3},
		"id":       {queue.EventFilter{Source: "/p", ID: "other"}, 1},
		"sequence": {queue.EventFilter{Sequences: []uint64{1, 3}}, 2},
	} {
		require.Equal(t, test.want, town.plan(replay.Events{Filter: test.filter, Resend: true}).Plan.Events, name)
	}
	for want, e := range map[string]replay.Events{
		"no event matches that was routed": {Filter: queue.EventFilter{Account: "nobody"}},
		`no event type "job.fial"`:         {Filter: queue.EventFilter{Type: "job.fial"}},
		"the event is no longer kept: 999": {Filter: queue.EventFilter{Sequences: []uint64{1, 999}}},
		"is no id":                         {User: "a.b"},
	} {
		e.Channels = []string{everybody}
		_, err := town.PlanEvents(t.Context(), e, 0)
		require.ErrorContains(t, err, want)
	}
	_, err := town.PlanEvents(t.Context(), replay.Events{}, 0)
	require.ErrorContains(t, err, "none is offered")
}

func TestEventThatIsPublishedAfterThePlanIsNotRoutedAgain(t *testing.T) {
	t.Parallel()
	town := newTown(t, 1, "ada")
	job := town.plan(replay.Events{Resend: true})
	town.publish("later", "acme")
	town.events(1)
	town.idle()
	require.Equal(t, 1, town.run(job).Replayed)
	require.Equal(t, []string{"e0 ada"}, town.events(1))
	require.Empty(t, town.handed)
}

// dyingTown is a queue whose process dies once it has sent something: nothing is
// saved any more.
type dyingTown struct {
	*queue.Queue
	dead bool
}

func (d *dyingTown) RouteAgain(ctx context.Context, plans []schema.Plan) error {
	err := d.Queue.RouteAgain(ctx, plans)
	d.dead = true
	return err
}

func (d *dyingTown) SaveJob(ctx context.Context, id string, value []byte, revision uint64) error {
	if d.dead {
		return errDead
	}
	return d.Queue.SaveJob(ctx, id, value, revision)
}

// Also when everything is to be sent once more: what the dead process had sent
// is not sent a third time.
func TestRoutingOfAProcessThatDiedIsTakenUpByAnother(t *testing.T) {
	t.Parallel()
	members := make([]string, 700)
	for i := range members {
		members[i] = fmt.Sprint("u", i)
	}
	town := newTown(t, 1, members...)
	job := town.plan(replay.Events{Resend: true})
	require.Equal(t, 700, job.Plan.Deliveries)
	victim := &replay.Replays{Letters: &dyingTown{Queue: town.queue}, Routes: town, Lease: time.Second}
	_, err := victim.Run(t.Context(), job.ID, nil)
	require.ErrorIs(t, err, errDead)
	town.events(500)
	town.idle()

	var last replay.Job
	require.Eventually(t, func() bool {
		last, err = town.Run(t.Context(), job.ID, nil)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	require.Equal(t, []int{200, 0, 1}, []int{last.Replayed, last.Skipped, last.Routed})
	require.Len(t, slices.Compact(town.events(200)), 200)
	town.idle()
	require.Empty(t, town.handed)
}

func TestRoutingRestsBetweenTheMembersOfOneEvent(t *testing.T) {
	t.Parallel()
	members := make([]string, 1100)
	for i := range members {
		members[i] = fmt.Sprint("u", i)
	}
	town := newTown(t, 1, members...)
	job := town.plan(replay.Events{Resend: true})
	job, err := town.Run(t.Context(), job.ID, func(j replay.Job) {
		if j.State == replay.Running && j.Replayed == 500 {
			_, err := town.Pause(t.Context(), j.ID)
			require.NoError(t, err)
		}
	})
	require.NoError(t, err)
	require.Equal(t, replay.Paused, job.State)
	require.Zero(t, job.Routed, "the event is not done")
	first := job.Replayed
	require.Less(t, first, 1100)
	job = town.run(job)
	require.Equal(t, 1100, job.Replayed)
	require.Len(t, slices.Compact(town.events(1100)), 1100, "each once")
}

func TestLetterWhoseDeliveryArrivedSinceIsNotReplayed(t *testing.T) {
	t.Parallel()
	y := newYard(t, many(3)...)
	all := y.letters()
	one := all[slices.IndexFunc(all, func(l queue.DeadLetter) bool { return l.Delivery.Event.ID == "e1" })]
	// The owner has asked for it on the settings page, and the letter has stayed
	// because the process died then.
	require.NoError(t, y.queue.Redeliver(t.Context(), *one.Delivery, 1, time.Time{}))
	require.Equal(t, []string{"e1"}, y.events(1))
	require.Eventually(t, func() bool {
		job := y.plan(queue.LetterFilter{})
		return job.Plan.Skips[replay.SkipDelivered] == 1
	}, 30*time.Second, 50*time.Millisecond)
	y.Wishes = unwanted{"e2"}
	job := y.plan(queue.LetterFilter{})
	require.Equal(t, replay.Skips{replay.SkipDelivered: 1, string(schema.RuleChosenOff): 1}, job.Plan.Skips)
	require.Equal(t, 1, job.Plan.Unwanted)
	job, err := y.Run(t.Context(), job.ID, nil)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{job.Replayed, job.Skipped})
	require.Equal(t, job.Plan.Skips, job.Skips)
	require.Equal(t, []string{"e0"}, y.events(1))
	require.Len(t, y.letters(), 2, "what was skipped stays")
}

// A delivery that was planned, has not ended and lies in no queue is what the
// audit calls missing.
func TestWhatIsMissingIsSentAndWhatWaitsIsNot(t *testing.T) {
	t.Parallel()
	town := newTown(t, 2, "ada")
	event := func(id string) schema.Delivery {
		e, err := schema.Sample("job.fail")
		require.NoError(t, err)
		e.ID, e.Source, e.Account, e.Time = id, "/p", "acme", time.Now()
		_, _, err = town.queue.PublishEvent(t.Context(), e)
		require.NoError(t, err)
		return schema.Delivery{Event: e, User: "eve", Channel: everybody, Target: "main", Planned: time.Now().Add(-time.Hour)}
	}
	parked := event("parked")
	town.events(1)
	town.idle()
	town.members = []string{"eve"}
	parked.Channel = "elsewhere" // no worker is there to deliver by it
	require.NoError(t, town.queue.PublishPlans(t.Context(), []schema.Plan{schema.PlanOf(parked, "")}))
	town.idleBut(1)

	wanted := replay.Events{Filter: queue.EventFilter{ID: "parked"}, Channels: []string{"elsewhere"}}
	job := town.plan(wanted)
	require.Equal(t, replay.Skips{replay.SkipWaiting: 1}, job.Plan.Skips)
	require.NoError(t, town.purge(queue.DeliveryStream))
	job = town.plan(wanted)
	require.Equal(t, 1, job.Plan.Deliveries)
	require.Empty(t, job.Plan.Skips)
}
