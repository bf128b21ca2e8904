package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/schema"
)

func sampleDelivery(t require.TestingT, id string) schema.Delivery {
	event, err := schema.Sample("stack.redeploy.fail")
	require.NoError(t, err)
	event.ID, event.Source, event.Account = id, "tocsin/test", "acme"
	event.Time = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return schema.Delivery{
		Event: event, User: "ada", Channel: "webhook", Target: "main",
		Planned: time.Date(2026, 3, 1, 12, 0, 1, 5, time.UTC),
	}
}

func TestDeliverySurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := sampleDelivery(t, rapid.StringMatching(`[ -~]{1,40}`).Draw(t, "event id"))
		d.Attempts = rapid.IntRange(0, 100).Draw(t, "attempts")
		d.Strikes = rapid.IntRange(0, 3).Draw(t, "strikes")
		d.Hops = rapid.IntRange(0, 100).Draw(t, "hops")
		if rapid.Bool().Draw(t, "ends an outage") {
			d.Since = d.Event.Time.Add(-time.Duration(rapid.Int64Range(1, int64(72*time.Hour)).Draw(t, "outage")))
		}
		d.Replays = rapid.IntRange(0, 100).Draw(t, "replays")
		if d.Attempts > 0 {
			d.Due = d.Planned.Add(time.Duration(rapid.Int64Range(1, int64(72*time.Hour)).Draw(t, "wait")))
			d.Last = schema.Attempt{At: d.Planned.Add(time.Second), Status: "503", Reason: "endpoint answered 503"}
		}
		msg := encode("tocsin.deliveries.webhook", d)
		got, err := decode(msg.Header, msg.Data)
		require.NoError(t, err)
		require.Equal(t, d, got)
		require.Equal(t, d.ID(), got.ID())
		require.Equal(t, []byte(d.Event.Data), msg.Data, "the body is the event's data")
	})
}

func TestHeadersHoldOneShortLine(t *testing.T) {
	t.Parallel()
	d := sampleDelivery(t, "e1")
	d.Attempts = 1
	d.Last.Reason = "first\r\nTocsin-User: eve\x00" + strings.Repeat("é", 2000)
	msg := encode("s", d)
	got, err := decode(msg.Header, msg.Data)
	require.NoError(t, err)
	require.Equal(t, "ada", got.User)
	require.NotContains(t, got.Last.Reason, "\n")
	require.LessOrEqual(t, len(got.Last.Reason), maxReason+len("…"))
}

func TestUnreadableDeliveryIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(nats.Header){
		"hostile user":     func(h nats.Header) { h.Set(headerUser, "a.b>") },
		"no channel":       func(h nats.Header) { h.Del(headerChannel) },
		"attempts no int":  func(h nats.Header) { h.Set(headerAttempts, "many") },
		"planned no time":  func(h nats.Header) { h.Set(headerPlanned, "soon") },
		"no event headers": func(h nats.Header) { h.Del("ce-id"); delete(h, "ce-id") },
	} {
		msg := encode("s", sampleDelivery(t, "e1"))
		spoil(msg.Header)
		_, err := decode(msg.Header, msg.Data)
		require.Error(t, err, name)
	}
}

func TestServerVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.15.2": true, "2.11.0": true, "2.16.0-RC.1": true, "3.0.0": true,
		"2.10.29": false, "2.9.25": false, "1.4.1": false, "": false, "dev": false,
	} {
		require.Equal(t, want, atLeast(version, minimumServer), version)
	}
}

func TestURLsAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	got := redactURL("nats://bob:hunter2@one:4222, nats://tokentoken@two:4222,nats://three:4222,nats://eve:pass word/@four:x")
	require.NotContains(t, got, "hunter2")
	require.NotContains(t, got, "tokentoken")
	require.Contains(t, got, "three:4222")
	require.NotContains(t, got, "word")
	_, err := Connect(Options{URL: "nats://eve:pass/word@five:4222 "})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "pass")
}
