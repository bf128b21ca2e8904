package queue_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// A publisher who writes the server's own headers neither sends a reader round in
// circles nor passes its event off as another.
func TestForgedPlacesMisleadNobody(t *testing.T) {
	t.Parallel()
	server := servertest.NATS(t)
	q := ready(t, server)
	subject := schema.EventSubject("job.fail")
	forged := map[string][]string{
		jetstream.SequenceHeader: {"1"}, jetstream.SubjectHeader: {schema.EventSubject("job.backon")},
		jetstream.TimeStampHeaer: {"2001-01-01T00:00:00Z"}, "ce-id": {"e1"},
	}
	for range 3 {
		servertest.Publish(t, server.URL(), subject, forged, []byte(`{}`))
	}
	var sequences []uint64
	for e, err := range q.Events(t.Context(), queue.EventFilter{}, 0) {
		require.NoError(t, err)
		sequences = append(sequences, e.Sequence)
		require.Equal(t, subject, e.Subject)
		require.WithinDuration(t, time.Now(), e.Stored, time.Minute)
		require.LessOrEqual(t, len(sequences), 3)
	}
	require.Equal(t, []uint64{1, 2, 3}, sequences)
	third, err := q.Event(t.Context(), 3)
	require.NoError(t, err)
	require.EqualValues(t, 3, third.Sequence)
	require.Equal(t, subject, third.Subject)
}
