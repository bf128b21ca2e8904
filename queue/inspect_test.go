package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/servertest"
)

func TestAFreshInstallationHasNothingToComplainOf(t *testing.T) {
	t.Parallel()
	found, err := ready(t, servertest.NATS(t)).Inspect(t.Context())
	require.NoError(t, err)
	require.Empty(t, found.Complaints)
	require.InDelta(t, 0, found.Ahead, float64(5*time.Second), "it is the same clock")
}

func TestStreamsThatWillFailLaterAreComplainedOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream string
		change func(*jetstream.StreamConfig)
		says   string
		loses  bool
	}{
		"waiting deliveries expire": {queue.RetryStream, func(s *jetstream.StreamConfig) { s.MaxAge, s.Duplicates = time.Hour, time.Minute }, "drops what has waited for 1h0m0s", true},
		"events are kept an hour":   {queue.EventStream, func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }, "keeps messages for 1h0m0s only", true},
		"the oldest are dropped": {queue.DeliveryStream, func(s *jetstream.StreamConfig) {
			s.Discard, s.MaxMsgs = jetstream.DiscardOld, 1000
		}, "drops the oldest that waits when it is full", true},
		"next to no bytes": {queue.DeliveryStream, func(s *jetstream.StreamConfig) { s.MaxBytes = 1000 }, "may hold 1000 bytes", true},
		"nearly full":      {queue.DeliveryStream, func(s *jetstream.StreamConfig) { s.MaxMsgs = 1 }, "has 100 % of the messages that it may", true},
		"a short ledger":   {queue.LedgerStream, func(s *jetstream.StreamConfig) { s.MaxAge = time.Hour }, "keeps messages for 1h0m0s only", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := servertest.NATS(t)
			q, js := ready(t, n), stranger(t, n)
			require.NoError(t, q.PublishPlans(t.Context(), plans(delivery(t, "e1"))))
			stream, err := js.Stream(t.Context(), c.stream)
			require.NoError(t, err)
			config := stream.CachedInfo().Config
			c.change(&config)
			_, err = js.UpdateStream(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, q.Setup(t.Context(), 0))
			found, err := q.Inspect(t.Context())
			require.NoError(t, err)
			require.Len(t, found.Complaints, 1)
			require.Contains(t, found.Complaints[0].Text, "stream "+c.stream+" "+c.says)
			require.Equal(t, c.loses, found.Complaints[0].Loses)
		})
	}
}

func TestAStreamInMemoryIsComplainedOf(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	_, err := stranger(t, n).CreateStream(t.Context(), jetstream.StreamConfig{
		Name: queue.DeadStream, Subjects: []string{"tocsin.dead.>"}, Storage: jetstream.MemoryStorage,
	})
	require.NoError(t, err)
	found, err := ready(t, n).Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, found.Complaints, 1)
	require.Contains(t, found.Complaints[0].Text, "gone when the server restarts")
}

func TestAServerThatCarriesTooLittleIsComplainedOf(t *testing.T) {
	t.Parallel()
	found, err := ready(t, servertest.NATS(t, func(o *server.Options) { o.MaxPayload = 32 << 10 })).Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, found.Complaints, 1)
	require.Contains(t, found.Complaints[0].Text, "max_payload")
}

func TestErrorsOfConnectingComeWithAdvice(t *testing.T) {
	t.Parallel()
	secured := servertest.NATS(t, func(o *server.Options) { o.Username, o.Password = "worker", "right" })
	address := strings.TrimPrefix(secured.URL(), "nats://")
	for name, c := range map[string]struct {
		options queue.Options
		says    string
	}{
		"wrong password":          {queue.Options{URL: "nats://worker:wrong@" + address}, "refuses user, password"},
		"no user":                 {queue.Options{URL: "nats://" + address}, "refuses user, password"},
		"nobody there":            {queue.Options{URL: "nats://127.0.0.1:1"}, "is the server up?"},
		"no such file":            {queue.Options{URL: "nats://worker:right@" + address, Creds: t.TempDir() + "/none.creds"}, "TOCSIN_NATS_CREDS"},
		"TLS where there is none": {queue.Options{URL: "tls://worker:right@" + address}, "do not agree on TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Log = zap.NewNop()
			_, err := queue.Connect(c.options)
			require.Error(t, err)
			require.Contains(t, queue.Advice(err), c.says, "%v", err)
			require.NotContains(t, err.Error(), "wrong")
		})
	}
	require.Empty(t, queue.Advice(errors.New("anything else")))
	require.Empty(t, queue.Advice(fmt.Errorf("pull: %w", queue.ErrUnusable)))
}
