package ops_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/fleet"
	"tocsin/queue"
	"tocsin/schema"
)

// shelf keeps reports of processes, as old as the test wants them.
type shelf struct {
	mu      sync.Mutex
	reports []queue.FleetReport
}

func (s *shelf) FleetReports(_ context.Context, since time.Time) iter.Seq2[queue.FleetReport, error] {
	return func(yield func(queue.FleetReport, error) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range s.reports {
			if !r.Stored.Before(since) && !yield(r, nil) {
				return
			}
		}
	}
}

func (s *shelf) put(t testing.TB, r fleet.Report) {
	t.Helper()
	text, err := json.Marshal(r)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, queue.FleetReport{Stored: r.At, Text: text})
}

// hour is an hour of a fleet: two workers and a web process, of which a worker is
// killed after half of it, and the other one is overrun for some minutes.
func (i *installation) hour() {
	i.t.Helper()
	now := time.Now()
	begin := now.Add(-time.Hour)
	delivered := map[string]float64{}
	backlog := 0.0
	for n := range 360 {
		at := begin.Add(time.Duration(n+1) * fleet.Every)
		for _, process := range []string{"mill-worker-3f2a", "barn-worker-99c1", "mill-web-07be"} {
			if process == "barn-worker-99c1" && (n < 40 || n > 340) {
				continue
			}
			role, started := fleet.RoleWorker, begin.Add(-40*time.Hour)
			if process == "mill-web-07be" {
				role = fleet.RoleWeb
			}
			r := fleet.Report{
				Self: fleet.Self{Process: process, Host: process[:4] + ".example.net", Version: "v1.4.0", Role: role, Started: started},
				At:   at, State: fleet.Working, Servers: map[string]bool{"nats": true, "redis": true},
			}
			if role == fleet.RoleWorker {
				speed := 90 + 40*float64(n%50)/50
				if n > 150 && n < 220 {
					speed, backlog = 20, backlog+400
				} else {
					backlog = max(backlog-900, 0)
				}
				delivered[process] += 10 * speed
				r.Channels = map[string]fleet.Channel{
					"webhook":     channelAt(delivered[process], 64, int(speed/4), int(backlog)),
					"email":       channelAt(delivered[process]/3, 16, 3, 0),
					fleet.Routing: {Slots: 16, InFlight: 2, Backlog: &fleet.Backlog{Waiting: 12}},
				}
			}
			i.reports.put(i.t, r)
		}
	}
}

// channelAt is a channel that has delivered so many.
func channelAt(delivered float64, slots, inFlight, waiting int) fleet.Channel {
	upTo := []float64{0.01, 0.1, 1, 10}
	return fleet.Channel{
		Slots: slots, InFlight: inFlight,
		Counts: fleet.Counts{
			Attempts: 1.1 * delivered, Delivered: delivered, Retried: delivered / 10,
			Failures: map[string]float64{"server_error": delivered / 20, "timeout": delivered / 20},
			Latency:  fleet.Histogram{UpTo: upTo, Counts: []float64{delivered * 0.7, delivered * 0.2, delivered * 0.08, delivered * 0.02, 0}},
		},
		Backlog:  &fleet.Backlog{Waiting: waiting, Parked: 1240, Oldest: float64(waiting) / 90, DeadLetters: 64},
		Breakers: fleet.Breakers{"open": 2, "recovering": 1},
	}
}

func TestTheFleetIsShownAsItIs(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	v := i.signedIn(viewKey)
	_, body := v.get("/ops/fleet")
	require.Contains(t, body, "Nobody has reported in the last minutes")
	i.hour()
	_, body = v.get("/ops/fleet")
	for _, text := range []string{"mill-worker-3f2a", "barn-worker-99c1", "silent", "v1.4.0", "<b>Webhook</b>", "2 open", "server error", "1,240", "Delivered a second over the last hour: Email now"} {
		require.Contains(t, body, text)
	}
	require.NotContains(t, body, "NaN")
	require.NotContains(t, body, ">Pause<", "the role view sees no buttons")
}

// A channel is paused and resumed in a browser; it says by whom and why.
func TestAChannelIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.hour()
	pool := i.queue.NewPool(time.Second)
	pool.Deliveries("webhook", 1, func(context.Context, schema.Delivery) queue.Outcome { return queue.Done() })
	stop, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); pool.Run(stop) }()
	t.Cleanup(func() { end(); <-done })

	b := i.browser(operateKey)
	form := `form[action$="/channels/webhook"]`
	b.Do(chromedp.Navigate(i.url+"/ops/fleet"), chromedp.Evaluate[chromedp.Void](`document.querySelector('`+form+`').parentElement.open = true; undefined`))
	b.Do(chromedp.SendKeys(chromedp.CSS("#why-webhook"), "their <b>certificate</b>"), click(form+` button`))
	b.Until(`document.body.innerText.includes("Paused by ada since") && document.body.innerText.includes("until it is resumed: their <b>certificate</b>")`)
	pauses, err := i.queue.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, 1)
	b.Do(click(form + ` button[value="resume"]`))
	b.Until(`!document.body.innerText.includes("Paused by")`)
	pauses, err = i.queue.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)
	require.Equal(t, []string{"ada channel.resume done", "ada channel.resume begun", "ada channel.pause done", "ada channel.pause begun"}, i.acts()[:4])

	v := i.signedIn(operateKey)
	for form, code := range map[string]int{"do=resume": http.StatusConflict, "do=stop": http.StatusUnprocessableEntity} {
		q, err := url.ParseQuery(form)
		require.NoError(t, err)
		answer, _ := v.post("/ops/channels/webhook", q)
		require.Equal(t, code, answer.StatusCode, form)
	}
	for _, channel := range []string{"pigeon", "event", "route"} {
		answer, _ := v.post("/ops/channels/"+channel, url.Values{"do": {"pause"}})
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, channel)
	}
	for _, minutes := range []string{"abc", "-5", "0", "527041", "99999999999999999999"} {
		answer, body := v.post("/ops/channels/webhook", url.Values{"do": {"pause"}, "minutes": {minutes}})
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, minutes)
		require.Contains(t, body, "Minutes are a number from 1 to 527040")
	}
	pauses, err = i.queue.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)
	answer, _ := i.signedIn(viewKey).post("/ops/channels/webhook", url.Values{"do": {"pause"}})
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
}

// The page comes anew every ten seconds, also to who has no mouse.
func TestTheKeyboardStaysWhereItIs(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	i.hour()
	b := i.browser(operateKey)
	b.Do(chromedp.Navigate(i.url+"/ops/fleet"), chromedp.Focus(chromedp.CSS("#pause-webhook")),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("#fleet").old = true; undefined`))
	b.Until(`document.querySelector("#fleet") && !document.querySelector("#fleet").old`)
	b.Until(`document.activeElement?.id == "pause-webhook"`)
	b.Until(`[...document.querySelectorAll("#fleet :is(a, button, summary)")].every(stop => stop.id || stop.closest("details form"))`)
}

func TestEndpointsThatDoNotWork(t *testing.T) {
	t.Parallel()
	i := install(t, opsKeys)
	v := i.signedIn(viewKey)
	_, body := v.get("/ops/endpoints")
	require.Contains(t, body, "No circuit breaker is open")
	i.breakHosts()
	_, body = v.get("/ops/endpoints")
	for _, text := range []string{"https://hooks.example.com:443", "open", "endpoint answered 500", "eve", "half-open"} {
		require.Contains(t, body, text)
	}
}

// breakHosts opens the breakers of a host and of a target.
func (i *installation) breakHosts() {
	i.t.Helper()
	ctx, index, known := i.t.Context(), breaker.NewIndex(i.redis), breaker.NewHosts(i.redis)
	host := "https://hooks.example.com:443"
	now := time.Now()
	_, swapped, err := known.Swap(ctx, host, breaker.Record{}, breaker.RecordOf(breaker.State{
		Phase: breaker.Open, Changed: now, Opened: 2, Until: now.Add(time.Minute), Failing: now.Add(-time.Hour), Error: "endpoint answered 500 Internal Server Error",
	}))
	require.NoError(i.t, err)
	require.True(i.t, swapped)
	require.NoError(i.t, index.Note(ctx, breaker.HostKind, host, breaker.Open))
	require.NoError(i.t, index.Note(ctx, "webhook", "eve/webhook/main", breaker.HalfOpen))
}
