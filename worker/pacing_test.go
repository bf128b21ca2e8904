package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/channels/hipchat"
	"tocsin/channels/slack"
	"tocsin/farend"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

// one room for everybody; who is in off has switched it off.
type oneRoom struct{ off map[string]bool }

func (o oneRoom) Resolve(_ context.Context, d schema.Delivery) (prefs.Resolution, error) {
	if o.off[d.User] {
		return prefs.Resolution{Suppressed: schema.RuleChosenOff}, nil
	}
	return prefs.Resolution{Settings: json.RawMessage(`{"token":"t","room":"Ops"}`)}, nil
}

func (oneRoom) SwitchOff(context.Context, string, prefs.TargetRef, string, time.Time) (bool, error) {
	return false, nil
}

func TestRoomsBacklogIsOneMessage(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	room, err := farend.NewHipChat(log, map[string]string{"Ops": "t"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, room.Close()) })
	channel, err := (&hipchat.Config{URL: room.URL()}).Open()
	require.NoError(t, err)
	server := miniredis.RunT(t)
	server.SetTime(time.Unix(1786006237, 0))
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	off := map[string]bool{}
	dl := &worker.Deliverer{
		Channel: channel, Spec: hipchat.Spec(), Targets: oneRoom{off}, Pacer: pace.New(client), Log: zap.NewNop(),
		Policy: worker.Policy{Initial: time.Second, Multiplier: 2, Max: time.Hour, Window: time.Hour},
	}
	deliver := func(n int) queue.Outcome {
		return dl.Deliver(t.Context(), t.Context(), schema.Delivery{
			Event: schema.Event{ID: fmt.Sprint(n), Source: "/test", Type: "job.fail", Account: "acme",
				Data: json.RawMessage(fmt.Sprintf(`{"name":"job-%d"}`, n))},
			User: fmt.Sprintf("user-%d", n), Channel: "hipchat", Target: channels.MainTarget, Planned: time.Now(),
		})
	}
	for n := range 50 {
		deliver(n)
	}
	received, _ := log.Since(0)
	require.Len(t, received, 30)
	off["user-40"] = true
	server.SetTime(time.Unix(1786006237+61, 0))
	for n := 30; n < 50; n++ {
		require.Equal(t, "done", deliver(n).String(), "the first mentions the others")
	}
	received, _ = log.Since(0)
	require.Len(t, received, 31)
	require.Equal(t, 1, strings.Count(received[30].Text, "job-49"))
	require.NotContains(t, received[30].Text, "job-40", "who has opted out is not mentioned")
	require.Equal(t, 19, strings.Count(received[30].Text, "job-"))
}

func TestHooksBacklogIsOneMessage(t *testing.T) {
	t.Parallel()
	log := &farend.Log{}
	server, err := farend.NewSlack(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	channel, err := (&slack.Config{Offered: true, Allow: []string{"127.0.0.0/8"}}).Open()
	require.NoError(t, err)
	clock := miniredis.RunT(t)
	clock.SetTime(time.Unix(1786006237, 0))
	client := redis.NewClient(&redis.Options{Addr: clock.Addr()})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	dl := &worker.Deliverer{
		Channel: channel, Spec: slack.Spec(), Targets: oneHook{server.URL() + farend.SlackHook}, Pacer: pace.New(client), Log: zap.NewNop(),
		Policy: worker.Policy{Initial: time.Second, Multiplier: 2, Max: time.Hour, Window: time.Hour},
	}
	deliver := func(n int) queue.Outcome {
		return dl.Deliver(t.Context(), t.Context(), schema.Delivery{
			Event: schema.Event{ID: fmt.Sprint(n), Source: "/test", Type: "job.fail", Account: "acme",
				Data: json.RawMessage(fmt.Sprintf(`{"name":"job-%d"}`, n))},
			User: "ada", Channel: "slack", Target: channels.MainTarget, Planned: time.Now(),
		})
	}
	for n := range 30 {
		deliver(n)
	}
	received, _ := log.Since(0)
	require.Len(t, received, 1, "a message a second")
	clock.SetTime(time.Unix(1786006237+2, 0))
	for n := 1; n < 30; n++ {
		require.Equal(t, "done", deliver(n).String(), "the first mentions the others")
	}
	received, _ = log.Since(0)
	require.Len(t, received, 2)
	for n := 1; n < 30; n++ {
		require.Contains(t, received[1].Text, fmt.Sprintf("job-%d ", n), "nothing is dropped")
	}
}

// oneHook is a user's Slack-compatible webhook.
type oneHook struct{ url string }

func (o oneHook) Resolve(context.Context, schema.Delivery) (prefs.Resolution, error) {
	settings, err := json.Marshal(slack.Settings{URL: o.url})
	return prefs.Resolution{Settings: settings}, err
}

func (oneHook) SwitchOff(context.Context, string, prefs.TargetRef, string, time.Time) (bool, error) {
	return false, nil
}
