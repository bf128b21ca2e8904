package worker_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
	"tocsin/worker"
)

// mails lists the notices that wait to be mailed, oldest first.
func (f *fleet) mails() (types []string, newest *jetstream.RawStreamMsg) {
	f.t.Helper()
	stream, err := servertest.JetStream(f.t, f.nats.URL()).Stream(f.t.Context(), queue.DeliveryStream)
	require.NoError(f.t, err)
	info, err := stream.Info(f.t.Context())
	require.NoError(f.t, err)
	for sequence := uint64(1); sequence <= info.State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(f.t.Context(), sequence)
		require.NoError(f.t, err)
		types, newest = append(types, msg.Header.Get("ce-type")), msg
	}
	return types, newest
}

// Two workers try an endpoint every six hours, at the same moment.
func TestEndpointThatFailsForFiveDaysIsSwitchedOffAfterThreeWarnings(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	s.answer("/ada", http.StatusBadGateway)
	members := []*worker.Deliverer{f.member(8), f.member(8)}
	for _, dl := range members {
		dl.Clock = watch.now
	}
	var warned []string // after so many hours
	for hours := 0; hours <= 126; hours += 6 {
		var both sync.WaitGroup
		for i, dl := range members {
			both.Go(func() { dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(hours, i), watch.now())) })
		}
		both.Wait()
		if types, newest := f.mails(); len(types) > len(warned) {
			require.Len(t, types, len(warned)+1, "one mail for each step, by two workers")
			warned = append(warned, fmt.Sprint(hours, "h ", newest.Header.Get("ce-type")))
		}
		watch.forward(6 * time.Hour)
	}
	require.Equal(t, []string{"24h channel.failing", "72h channel.failing", "96h channel.failing", "120h channel.off"}, warned)
	require.Equal(t, prefs.Off, f.health("ada").Status)
	require.Contains(t, f.health("ada").Error, "endpoint answered 502 Bad Gateway")
	arrived := s.arrived("/ada")
	require.Equal(t, "done", members[0].Deliver(t.Context(), t.Context(), deliveryTo("ada", "after", watch.now())).String())
	require.Equal(t, arrived, s.arrived("/ada"), "suppressed")
}

func TestOneSuccessBeginsTheFiveDaysAnew(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	dl := f.member(8)
	dl.Clock = watch.now
	for day := range 12 {
		s.answer("/ada", http.StatusNotFound) // a refusal is no success either
		if day%4 == 3 {
			s.answer("/ada", http.StatusOK)
		}
		dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(day), watch.now()))
		watch.forward(24*time.Hour + time.Minute)
	}
	types, newest := f.mails()
	require.Equal(t, []string{schema.ChannelFailing, schema.ChannelFailing, schema.ChannelFailing}, types, "the first warning, each time")
	require.NotEqual(t, prefs.Off, f.health("ada").Status)
	var said schema.Failing
	require.NoError(t, json.Unmarshal(newest.Data, &said))
	require.Equal(t, "Webhook", said.Channel)
	require.Equal(t, "endpoint answered 404 Not Found", said.Reason)
	require.InDelta(t, 5*24, said.Off.Sub(said.Since).Hours(), 1)
}

// An endpoint that is sent something once in a blue moon is not switched off
// before its owner has had a day to act on each warning.
func TestNobodyIsSwitchedOffUnwarned(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	s.answer("/ada", http.StatusNotFound)
	dl := f.member(8)
	dl.Clock = watch.now
	fail := func(id string) []string {
		dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", id, watch.now()))
		types, _ := f.mails()
		return types
	}
	require.Empty(t, fail("first"))
	watch.forward(30 * 24 * time.Hour)
	for i := range 10 { // a burst
		require.Len(t, fail(fmt.Sprint("a month later", i)), 1)
	}
	for i, days := range []int{2, 1} {
		watch.forward(time.Duration(days) * 24 * time.Hour)
		require.Len(t, fail(fmt.Sprint("warned", i)), i+2)
	}
	require.Len(t, fail("too soon"), 3)
	watch.forward(24 * time.Hour)
	require.Equal(t, schema.ChannelOff, fail("last")[3])
}

func TestNoPlatformPublishesNotices(t *testing.T) {
	t.Parallel()
	validator, err := schema.NewValidator()
	require.NoError(t, err)
	for _, typeName := range []string{schema.ChannelFailing, schema.ChannelOff} {
		e := schema.Event{ID: "1", Source: "/x", Type: typeName, Account: "acme", Data: json.RawMessage(`{"channel":"Webhook"}`)}
		_, err := validator.Parse(schema.Message{Subject: schema.EventSubject(typeName), Header: e.Header(), Body: e.Data})
		require.Error(t, err, typeName)
	}
}

// The last warning asks an owner to mend the address: an attempt that is still
// under way to the old one must not switch the new one off.
func TestTargetSavedDuringItsLastAttemptStaysOn(t *testing.T) {
	t.Parallel()
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	dl := f.member(8)
	dl.Clock = watch.now
	s.answer("/ada", http.StatusNotFound)
	fail := func(id string) { dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", id, watch.now())) }
	fail("0")
	for i, days := range []int{1, 2, 1} {
		watch.forward(time.Duration(days)*24*time.Hour + time.Minute)
		fail(fmt.Sprint("w", i))
	}
	watch.forward(24*time.Hour + time.Minute)
	arrived, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		w.WriteHeader(http.StatusNotFound)
	})
	go func() { defer close(done); fail("last") }()
	<-arrived
	f.save("ada", fmt.Sprintf(`{"url":"%s/new","secret":%q}`, s.URL, signingSecret))
	close(release)
	<-done
	require.NotEqual(t, prefs.Off, f.health("ada").Status)
}

// A clock that is wrong for a while, as a worker's is before it is synchronized,
// brings forward one warning and no end; once it is right again nothing is taken
// for time in which the endpoint failed.
func TestAWrongClockSwitchesNobodyOff(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	f, s, watch := newServers(t), newSite(t), &clock{}
	f.endpoint(s, "ada")
	s.answer("/ada", http.StatusNotFound)
	dl := f.member(8)
	dl.Clock = watch.now
	for i, step := range []time.Duration{0, year, 0, -year, -year, year, 0} {
		watch.forward(step)
		for burst := range 5 {
			dl.Deliver(t.Context(), t.Context(), deliveryTo("ada", fmt.Sprint(i, burst), watch.now()))
		}
	}
	types, _ := f.mails()
	require.Equal(t, []string{schema.ChannelFailing}, types)
	require.NotEqual(t, prefs.Off, f.health("ada").Status)
}
