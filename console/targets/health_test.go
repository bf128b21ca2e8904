package targets_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/schema"
)

func (f *fixture) tells(kind schema.RecordKind, delivery string, at time.Time) *schema.Record {
	f.records = append(f.records, schema.Record{
		Kind: kind, At: at, User: "ada", Delivery: delivery, Channel: "webhook", Target: "main",
	})
	return &f.records[len(f.records)-1]
}

func TestHealthFollowsWhatWasSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	health := func() targets.Health { return f.get(t, "webhook").Targets[0].Health }
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a"})
	require.Equal(t, targets.New, health().State)

	old := time.Now().Add(-time.Hour)
	f.tells(schema.RecordDelivered, "before", old)
	require.Equal(t, targets.New, health().State, "that was before it was saved as it is")
	require.True(t, old.Equal(health().LastDelivered))

	first := time.Now().Add(time.Minute)
	f.tells(schema.RecordDelivered, "d1", first)
	f.tells(schema.RecordDelivered, "d2", first.Add(time.Minute))
	require.Equal(t, targets.Working, health().State)
	require.True(t, first.Equal(health().Since), "working since the first of them")

	failed := first.Add(time.Hour)
	due := failed.Add(time.Hour)
	for i, at := range []time.Time{failed, failed.Add(time.Second)} {
		r := f.tells(schema.RecordFailed, []string{"d3", "d4"}[i], at)
		r.Status, r.Reason, r.Next = "503", "endpoint answered 503", due.Add(-time.Duration(i)*time.Minute)
	}
	h := health()
	require.Equal(t, targets.Failing, h.State)
	require.True(t, failed.Equal(h.Since))
	require.Equal(t, "503", h.Status)
	require.Equal(t, "endpoint answered 503", h.Reason)
	require.True(t, due.Add(-time.Minute).Equal(h.Next), "the soonest of what waits")

	f.tells(schema.RecordDelivered, "d4", failed.Add(time.Minute))
	require.Equal(t, targets.Working, health().State)
	require.Empty(t, health().Reason)
	require.True(t, due.Equal(health().Next), "d3 still waits")

	f.tells(schema.RecordDead, "d3", failed.Add(2*time.Minute)).Reason = "endpoint answered 404"
	require.Equal(t, targets.Failing, health().State)
	require.Zero(t, health().Next)

	_, err := f.Store.SwitchOff(t.Context(), "ada", prefs.TargetRef{Channel: "webhook", ID: "main"}, "it answered 410", time.Time{})
	require.NoError(t, err)
	require.Equal(t, targets.Off, health().State)
	require.Equal(t, "it answered 410", health().Reason)
}

// The settings page works while NATS is away.
func TestHealthIsUnknownWithoutTheLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Records = func(context.Context, string) iter.Seq2[schema.Record, error] {
		return func(yield func(schema.Record, error) bool) { yield(schema.Record{}, errors.New("no NATS")) }
	}
	require.Equal(t, targets.Unknown, f.get(t, "email").Targets[0].Health.State)
	f.Records = nil
	require.Equal(t, targets.Unknown, f.get(t, "email").Targets[0].Health.State)
}

// An endpoint that the fleet spares is paused, whatever the ledger tells.
func TestHealthIsWhatTheFleetActsOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a"})
	since, until := time.Now().Add(-time.Hour).UTC().Truncate(time.Second), time.Now().Add(time.Minute).UTC().Truncate(time.Second)
	ref := prefs.TargetRef{Channel: "webhook", ID: "main"}
	after := breaker.RecordOf(breaker.State{Phase: breaker.Open, Failing: since, Changed: since, Until: until, Error: "connection refused"})
	_, did, err := f.Store.SwapFare(t.Context(), "ada", ref, breaker.Record{}, after)
	require.NoError(t, err)
	require.True(t, did)
	f.tells(schema.RecordDelivered, "d1", time.Now())
	h := f.get(t, "webhook").Targets[0].Health
	require.Equal(t, targets.Paused, h.State)
	require.True(t, since.Equal(h.Since))
	require.True(t, until.Equal(h.Next))
	require.Equal(t, "connection refused", h.Reason)
	require.NotZero(t, h.LastDelivered)
}

func TestChannelsOfAnotherKeyAreUnreadable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(t, "webhook", map[string]any{"url": "https://example.com/a"})
	client, err := prefs.Open(f.redisURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(key('z'))
	require.NoError(t, err)
	f.Store = prefs.NewStore(client, keys)

	view := f.get(t, "webhook")
	require.Equal(t, targets.Unreadable, view.Targets[0].Health.State)
	require.Empty(t, view.Targets[0].Fields)
	_, err = f.Test(t.Context(), "ada", "webhook", "main", "job.fail")
	require.ErrorIs(t, err, prefs.ErrSealed)
	require.NotEmpty(t, f.save(t, "webhook", map[string]any{"url": "https://example.com/b"}).Shown, "saving it anew makes it whole")
	require.Equal(t, "https://example.com/b", f.get(t, "webhook").Targets[0].Fields["url"])
}
