package main

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// watch starts a daemon and gives the address of its /metrics.
func watch(t *testing.T, args ...string) (url string, said *daemon) {
	t.Helper()
	said = start(t, args...)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(said.says("answering /healthz, /readyz and /metrics"))
	return "http://" + address + "/metrics", said
}

// shows waits until /metrics holds this line.
func shows(t *testing.T, url, line string) {
	t.Helper()
	text := ""
	require.Eventually(t, func() bool {
		_, text = get(t, url)
		return regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text)
	}, 30*time.Second, 50*time.Millisecond, "%s never stood in /metrics", line)
}

func TestWorkerCountsWhatItDoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 503})
	url, _ := watch(t, s.workerArgs("--metrics-addr", "127.0.0.1:0")...)
	s.publish("stack.redeploy.fail")
	s.eventually(2)
	for _, line := range []string{
		`tocsin_events_total{outcome="routed",type="stack.redeploy.fail"} 1`,
		`tocsin_planned_total{channel="webhook",lane="share"} 1`,
		`tocsin_attempts_total{channel="webhook",outcome="retried",reason="status_5xx"} 1`,
		`tocsin_attempts_total{channel="webhook",outcome="delivered",reason="ok"} 1`,
		`tocsin_delivery_latency_seconds_count{channel="webhook"} 1`,
		`tocsin_attempt_duration_seconds_count{channel="webhook"} 2`,
		`tocsin_routing_latency_seconds_count 1`,
		`tocsin_in_flight{channel="webhook"} 0`,
		`tocsin_slots{channel="route"} 641`,
		`tocsin_draining 0`,
		`tocsin_background_pace 0`,
		`tocsin_waiting{channel="webhook"} 0`,
		`tocsin_oldest_seconds{channel="route"} 0`,
		`tocsin_parked{channel="email"} 0`,
		`tocsin_stream_messages{stream="TOCSIN_EVENTS"} \d+`,
		`tocsin_breakers{channel="webhook",state="open"} 0`,
		`tocsin_server_up{server="nats"} 1`,
		`tocsin_server_up{server="redis"} 1`,
		`tocsin_build_info{goversion="go[^"]+",version="[^"]+"} 1`,
	} {
		shows(t, url, line)
	}
	s.hook.Answer(hookPath, farend.HookAnswer{Status: 404})
	s.publish("job.fail")
	shows(t, url, `tocsin_attempts_total{channel="webhook",outcome="dead",reason="status_4xx"} 1`)
	shows(t, url, `tocsin_buried_total{cause="permanent",channel="webhook"} 1`)
	shows(t, url, `tocsin_dead_letters{channel="webhook"} 1`)
}

func TestWebIsWatchedApartFromItsPages(t *testing.T) {
	t.Parallel()
	web, said := openWeb(t)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(said.says("answering /healthz, /readyz and /metrics"))
	shows(t, "http://"+address+"/metrics", `tocsin_draining 0`)
	status, _ := get(t, web+"/metrics")
	require.Equal(t, 404, status, "the public does not see them")
}
