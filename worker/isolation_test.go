package worker_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/channels/webhook"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

// site is a web server whose paths are endpoints: each answers as it is told.
type site struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string]int // status by path; 0: none until the caller gives up; default 200
	inHand   map[string]int
	most     map[string]int // in hand at a time
	arrivals map[string]int
}

const hang = 0

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{answers: map[string]int{}, inHand: map[string]int{}, most: map[string]int{}, arrivals: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the caller has gone
	status := s.enter(r.URL.Path)
	defer s.leave(r.URL.Path)
	if status == hang {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(status)
}

func (s *site) enter(path string) (status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals[path]++
	s.inHand[path]++
	s.most[path] = max(s.most[path], s.inHand[path])
	if status, told := s.answers[path]; told {
		return status
	}
	return http.StatusOK
}

func (s *site) leave(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand[path]--
}

func (s *site) answer(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = status
}

func (s *site) arrived(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrivals[path]
}

func (s *site) mostInHand(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[path]
}

// endpoint sets up a user whose webhook is a path of the site, by the user's name.
func (f *fleet) endpoint(s *site, user string) {
	f.t.Helper()
	ctx := f.t.Context()
	require.NoError(f.t, f.store.PutUser(ctx, user, prefs.Profile{Email: user + "@example.com"}))
	require.NoError(f.t, f.store.AddMember(ctx, "acme", user))
	f.save(user, fmt.Sprintf(`{"url":"%s/%s","secret":%q}`, s.URL, user, signingSecret))
}

const signingSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

func (f *fleet) save(user, settings string) {
	f.t.Helper()
	require.NoError(f.t, f.store.PutTarget(f.t.Context(), user, hook, []byte(settings)))
}

// member makes a deliverer of real webhooks, as each worker of a fleet has one.
func (f *fleet) member(most int) *worker.Deliverer {
	f.t.Helper()
	channel, err := (&webhook.Config{Timeout: 30 * time.Second, Allow: []string{"127.0.0.0/8"}}).Open()
	require.NoError(f.t, err)
	return &worker.Deliverer{
		Channel: channel, Spec: webhook.Spec(), Targets: f.store, Notices: f.queue, Log: f.log, Slots: 32,
		Policy:    worker.Policy{Initial: 5 * time.Second, Multiplier: 3, Max: 6 * time.Hour, Window: 72 * time.Hour},
		Isolation: worker.NewIsolation(most, f.store, breaker.NewHosts(f.client)),
		Pacer:     pace.New(f.client),
	}
}

func deliveryTo(user, id string, planned time.Time) schema.Delivery {
	event, _ := schema.Sample("job.fail")
	event.ID, event.Source, event.Account, event.Time = id, "tocsin/test", "acme", planned
	return schema.Delivery{Event: event, User: user, Channel: hook.Channel, Target: hook.ID, Planned: planned}
}

// clock can be set forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Ten endpoints never answer, four of them on the very host of the healthy ones.
// All who are told by the others are told, while not one attempt at the ten has
// ended.
func TestHangingEndpointsHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	f := newServers(t)
	shared, own := newSite(t), newSite(t)
	const healthy, events, most = 20, 60, 2
	for i := range healthy {
		f.endpoint(shared, fmt.Sprint("well", i))
	}
	var stuck []string
	for i := range 10 {
		user, at := fmt.Sprint("stuck", i), own
		if i < 4 {
			at = shared
		}
		at.answer("/"+user, hang)
		f.endpoint(at, user)
		stuck = append(stuck, user)
	}
	f.run(f.log, f.member(most))
	for i := range events {
		f.publish(fmt.Sprint("e", i))
	}
	told := func() (n int) {
		for i := range healthy {
			n += shared.arrived(fmt.Sprint("/well", i))
		}
		return n
	}
	require.Eventually(t, func() bool { return told() == healthy*events }, 25*time.Second, 10*time.Millisecond)
	for _, user := range stuck {
		require.Equal(t, most, shared.arrived("/"+user)+own.arrived("/"+user), user)
	}

	// The others of the ten wait without an attempt, and the ledger has nothing to
	// tell of them.
	js := servertest.JetStream(t, f.nats.URL())
	const waiting = 10 * (events - most)
	require.Eventually(t, func() bool { return servertest.Messages(t, js, queue.RetryStream) >= waiting-2*10 }, 20*time.Second, 10*time.Millisecond)
	parked := 0
	for d, err := range f.queue.Waiting(t.Context()) {
		require.NoError(t, err)
		require.Contains(t, stuck, d.User)
		require.Zero(t, d.Attempts)
		parked++
	}
	require.NotZero(t, parked)
	for record, err := range f.queue.Ledger(t.Context(), queue.LedgerQuery{Account: "acme", User: stuck[0]}) {
		require.NoError(t, err)
		require.Equal(t, schema.RecordPlanned, record.Kind)
	}
}

func TestFleetSparesAnEndpointThatFailsAndFindsItAgain(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	here, there := f.member(8), f.member(8)
	here.Clock, there.Clock = watch.now, watch.now
	deliver := func(dl *worker.Deliverer, id string) string {
		return dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", id, watch.now())).String()
	}
	s.answer("/ada", http.StatusServiceUnavailable)
	for i := range 5 {
		require.Equal(t, "parked", deliver([]*worker.Deliverer{here, there}[i%2], fmt.Sprint(i)))
	}
	require.Equal(t, 5, s.arrived("/ada"))
	for _, dl := range []*worker.Deliverer{here, there} {
		require.Equal(t, "parked", deliver(dl, "held"))
	}
	require.Equal(t, 5, s.arrived("/ada"), "neither worker sends")
	require.Equal(t, prefs.Paused, f.health("ada").Status)
	require.Equal(t, "endpoint answered 503 Service Unavailable", f.health("ada").Error)

	watch.forward(10 * time.Second)
	require.Equal(t, "parked", deliver(there, "first try"))
	require.Equal(t, 6, s.arrived("/ada"), "it was tried once")
	require.Equal(t, "parked", deliver(here, "held"))
	require.Equal(t, 6, s.arrived("/ada"))

	s.answer("/ada", http.StatusOK)
	watch.forward(20 * time.Second)
	require.Equal(t, "done", deliver(here, "second try"))
	require.Equal(t, "done", deliver(there, "on"))
	require.Equal(t, prefs.Working, f.health("ada").Status)
}

func (f *fleet) health(user string) prefs.Health {
	f.t.Helper()
	targets, err := f.store.Targets(f.t.Context(), user)
	require.NoError(f.t, err)
	for _, target := range targets {
		if target.TargetRef == hook {
			return target.Health
		}
	}
	require.Fail(f.t, "no webhook")
	return prefs.Health{}
}

// A backlog comes at once when its endpoint may be back.
func TestBacklogOfAnEndpointComesBackOnARamp(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	dl := f.member(8)
	dl.Clock = watch.now
	ctx, giveUp := context.WithCancel(t.Context())
	var hands sync.WaitGroup
	backlog := func(n int) { // all at a time, of which some are under way
		arrived := s.arrived("/ada")
		var sentAway sync.WaitGroup
		for i := range 40 {
			sentAway.Add(1)
			once := sync.OnceFunc(sentAway.Done)
			hands.Go(func() {
				dl.Deliver(ctx, ctx, deliveryTo("ada", fmt.Sprint(arrived, i), watch.now()))
				once()
			})
			if i >= 40-n { // who is in hand does not return
				once()
			}
		}
		require.Eventually(t, func() bool { return s.arrived("/ada") == arrived+n }, 20*time.Second, time.Millisecond)
	}
	s.answer("/ada", http.StatusInternalServerError)
	for i := range 5 {
		dl.Deliver(ctx, ctx, deliveryTo("ada", fmt.Sprint("bad", i), watch.now()))
	}
	s.answer("/ada", http.StatusOK)
	watch.forward(10 * time.Second)
	require.Equal(t, "done", dl.Deliver(ctx, ctx, deliveryTo("ada", "probe", watch.now())).String())

	s.answer("/ada", hang)
	backlog(1)
	require.Equal(t, 1, s.mostInHand("/ada"))
	watch.forward(2500 * time.Millisecond)
	backlog(1)
	require.Equal(t, 2, s.mostInHand("/ada"))
	watch.forward(2 * time.Second)
	backlog(2)
	require.Equal(t, 4, s.mostInHand("/ada"))
	watch.forward(time.Hour)
	backlog(4)
	require.Equal(t, 8, s.mostInHand("/ada"), "never more than its seats")
	giveUp()
	hands.Wait()
}

// Those in hand count: the endpoint is found out when the first gives up.
func TestTimeoutCountsForThoseThatHangBesideIt(t *testing.T) {
	t.Parallel()
	f, s := newServers(t), newSite(t)
	f.endpoint(s, "ada")
	s.answer("/ada", hang)
	dl := f.member(8)
	dl.Spec.Timeout = 2 * time.Second
	var hands sync.WaitGroup
	for i := range 5 {
		hands.Go(func() { dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i), time.Now())) })
	}
	require.Eventually(t, func() bool { return f.health("ada").Status == prefs.Paused }, 20*time.Second, time.Millisecond)
	hands.Wait()
	require.Equal(t, "no answer before the attempt's deadline", f.health("ada").Error)
}

func TestHostThatIsDownIsTriedForAllItsTargetsByOne(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	for i := range 20 {
		f.endpoint(s, fmt.Sprint("user", i))
	}
	s.Close()
	dl := f.member(8)
	dl.Clock = watch.now
	outcome := func(i int) string {
		return dl.Deliver(t.Context(), t.Context(), deliveryTo(fmt.Sprint("user", i), "e1", watch.now())).String()
	}
	for i := range 20 {
		require.Equal(t, "parked", outcome(i))
	}
	for i := range 20 {
		want := prefs.Working // nothing was sent there, since its host is down
		if i < breaker.HostPolicy().Fails {
			want = prefs.Failing
		}
		require.Equal(t, want, f.health(fmt.Sprint("user", i)).Status, i)
	}
}

func TestWhatIsHeldBackForItsWholeWindowIsADeadLetter(t *testing.T) {
	t.Parallel()
	f, s := newServers(t), newSite(t)
	f.endpoint(s, "ada")
	s.answer("/ada", http.StatusInternalServerError)
	dl := f.member(8)
	for i := range 5 {
		dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i), time.Now()))
	}
	require.Equal(t, "parked", dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "young", time.Now())).String())
	require.Equal(t, "buried", dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", "old", time.Now().Add(-72*time.Hour))).String())
	require.Equal(t, 5, s.arrived("/ada"))
}

func TestOwnerSaysHowOftenAnEndpointIsSentTo(t *testing.T) {
	t.Parallel()
	f, s := newServers(t), newSite(t)
	f.endpoint(s, "ada")
	f.save("ada", fmt.Sprintf(`{"url":"%s/ada","secret":%q,"rate":"3/h"}`, s.URL, signingSecret))
	members := []*worker.Deliverer{f.member(8), f.member(8)}
	outcomes := map[string]int{}
	for i := range 10 {
		outcomes[members[i%2].Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i), time.Now())).String()]++
	}
	require.Equal(t, map[string]int{"done": 3, "parked": 7}, outcomes, "whichever worker sends")
	require.Equal(t, 3, s.arrived("/ada"))
	f.save("ada", fmt.Sprintf(`{"url":"%s/ada","secret":%q}`, s.URL, signingSecret))
	require.Equal(t, "done", members[0].Deliver(t.Context(), t.Context(), deliveryTo("ada", "on", time.Now())).String())
}

func TestWhatRedisForgetsIsLearntAgain(t *testing.T) {
	t.Parallel()
	f, s := newServers(t), newSite(t)
	f.endpoint(s, "ada")
	s.answer("/ada", http.StatusInternalServerError)
	dl := f.member(8)
	deliver := func(n int) {
		for i := range n {
			require.Equal(t, "parked", dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i), time.Now())).String())
		}
	}
	deliver(10)
	require.Equal(t, 5, s.arrived("/ada"))
	require.NoError(t, f.client.Del(t.Context(), "tocsin:user:{ada}:health").Err())
	deliver(10)
	require.Equal(t, 10, s.arrived("/ada"))
}
