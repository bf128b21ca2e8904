package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/replay"
	"tocsin/schema"
	"tocsin/servertest"
)

// die makes a dead letter as a worker does.
func (f *fixture) die(event, status string) {
	f.t.Helper()
	sample, err := schema.Sample("job.fail")
	require.NoError(f.t, err)
	sample.ID, sample.Source, sample.Account, sample.Time = event, "/p", "acme", time.Now()
	header := sample.Header()
	for name, value := range map[string]string{
		"Delivery": "x", "User": "ada", "Channel": "webhook", "Target": "main", "Attempts": "1",
		"Last-Status": status, "Last-Host": "hooks.example.com:443",
		"Dead-Cause": "permanent", "Dead-Reason": "endpoint answered " + status,
	} {
		header["Tocsin-"+name] = []string{value}
	}
	servertest.Publish(f.t, f.nats.URL(), schema.DeadSubject("webhook", "job.fail"), header,
		[]byte(`{"uid":"1","name":"Backup","redeploy_hook":"https://canary.example/hook"}`))
}

type deadAnswer struct {
	Letters []struct {
		Seq                                         uint64
		Channel, Type, User, Host, Status, Delivery string
	}
	Next uint64
}

func TestDeadLettersAreReadByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 5 {
		f.die(fmt.Sprint("e", i), []string{"404", "410"}[i%2])
	}
	var pages []int
	var seen []uint64
	for next := uint64(0); ; {
		var page deadAnswer
		f.ok("GET", fmt.Sprintf("/v1/dead?limit=2&after=%d", next), "").into(&page)
		pages = append(pages, len(page.Letters))
		for _, l := range page.Letters {
			seen = append(seen, l.Seq)
		}
		if next = page.Next; next == 0 {
			break
		}
	}
	require.Equal(t, []int{2, 2, 1}, pages)
	require.Equal(t, []uint64{1, 2, 3, 4, 5}, seen)

	var found deadAnswer
	f.ok("GET", "/v1/dead?reason=410&host=hooks.example.com&user=ada&cause=permanent&type=job.fail", "").into(&found)
	require.Len(t, found.Letters, 2)
	require.Equal(t, "410", found.Letters[0].Status)
	require.Equal(t, "hooks.example.com:443", found.Letters[0].Host)
	require.Len(t, found.Letters[0].Delivery, 36)
	f.ok("GET", "/v1/dead?account=zeta", "").into(&found)
	require.Empty(t, found.Letters)

	whole := f.ok("GET", "/v1/dead/1", "").text
	require.Contains(t, whole, "Backup")
	require.NotContains(t, whole, "canary", "credentials are masked")
	f.call("GET", "/v1/dead/99", "").refused(404)
	for _, query := range []string{"type=job.fial", "channel=a.b", "cause=boredom", "limit=0", "limit=1001", "since=yesterday", "after=x"} {
		f.call("GET", "/v1/dead?"+query, "").refused(422)
	}
}

func TestReplayIsPlannedStartedAndRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.ok("PUT", "/v1/accounts/acme/members/ada", "")
	f.die("e1", "404")
	f.die("e2", "410")
	var plan struct {
		ID, State string
		Replayed  int
		Plan      replay.Plan
	}
	require.Contains(t, f.call("POST", "/v1/replays", `{"filter":{"reason":"404"},"rate":0}`).text, `"rate":0`, "as fast as it goes")
	f.ok("POST", "/v1/replays", `{"filter":{"reason":"404"}}`).into(&plan)
	require.Equal(t, "planned", plan.State)
	require.Equal(t, 1, plan.Plan.Letters)
	require.Equal(t, "hooks.example.com:443", plan.Plan.Groups[0].Host)
	path := "/v1/replays/" + plan.ID
	require.Contains(t, f.call("POST", path, `{"action":"pause"}`).refused(409).Detail, "not begun")
	f.call("POST", path, `{"action":"explode"}`).refused(422)

	f.serveReplays()
	f.ok("POST", path, `{"action":"start"}`)
	require.Eventually(t, func() bool {
		f.ok("GET", path, "").into(&plan)
		return plan.State == "done"
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, 1, plan.Replayed)
	waiting := 0
	for d, err := range f.queue.Waiting(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, "e1", d.Event.ID)
		waiting++
	}
	require.Equal(t, 1, waiting)
	require.Contains(t, f.call("POST", path, `{"action":"start"}`).refused(409).Detail, "ended")
	f.ok("DELETE", path, "")
	var acts []string
	for a, err := range f.queue.Acts(t.Context(), 0) {
		require.NoError(t, err)
		require.Equal(t, schema.ByAPI, a.Via)
		require.Regexp(t, "^key [0-9a-f]{12}$", a.Who, "which key, and nothing of it")
		acts = append(acts, a.What+" "+string(a.Outcome))
	}
	require.Equal(t, []string{"replay.remove done", "replay.remove begun", "replay.start failed", "replay.start begun", "replay.start done", "replay.start begun"}, acts[:6])
	f.call("GET", path, "").refused(404)

	require.Equal(t, "no dead letter matches the filter", f.call("POST", "/v1/replays", `{"filter":{"user":"eve"}}`).refused(422).Detail)
	p := f.call("POST", "/v1/replays", `{"filter":{"type":"job.fial"}}`).refused(422)
	require.Equal(t, "body.filter", p.Errors[0].Location)
	f.call("POST", "/v1/replays", `{"filter":{"sequences":[99]}}`).refused(404)
}

func TestAPlanThatTakesLongIsAskedForUntilItIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ada()
	f.ok("PUT", "/v1/accounts/acme/members/ada", "")
	f.die("e1", "404")
	var job struct {
		ID, State string
		Plan      replay.Plan
	}
	f.ok("POST", "/v1/replays", `{"filter":{"reason":"404"},"wait":0}`).into(&job)
	require.Equal(t, "planning", job.State, "nobody makes it yet")
	path := "/v1/replays/" + job.ID
	require.Contains(t, f.call("POST", path, `{"action":"start"}`).refused(409).Detail, "still being planned")
	for _, wait := range []string{"-1", "3601", `"soon"`} {
		f.call("POST", "/v1/replays", `{"filter":{"reason":"404"},"wait":`+wait+`}`).refused(422)
	}

	f.serveReplays()
	require.Eventually(t, func() bool {
		f.ok("GET", path, "").into(&job)
		return job.State == "planned"
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, 1, job.Plan.Letters)
	f.ok("POST", path, `{"action":"start"}`)
}

func TestNATSAwayIsSaidSoOfDeadLetters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.nats.Stop()
	for _, path := range []string{"/v1/dead", "/v1/dead/1", "/v1/replays", "/v1/replays/x"} {
		f.call("GET", path, "").refused(503)
	}
	require.NotContains(t, f.logged.String(), nats.DefaultURL)
}
