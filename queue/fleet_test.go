package queue_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/servertest"
)

func TestReportsOfProcessesAreKeptForAnHourAndBounded(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	before := time.Now().Add(-time.Minute)
	require.NoError(t, q.StoreFleetReport(t.Context(), "host-worker-1", []byte("one")))
	require.NoError(t, q.StoreFleetReport(t.Context(), "host-web-2", []byte("two")))
	read := func(since time.Time) (texts []string) {
		for r, err := range q.FleetReports(t.Context(), since) {
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), r.Stored, time.Minute)
			texts = append(texts, string(r.Text))
		}
		return texts
	}
	require.Equal(t, []string{"one", "two"}, read(before))
	require.Empty(t, read(time.Now().Add(time.Minute)))
	s, err := stranger(t, n).Stream(t.Context(), queue.FleetStream)
	require.NoError(t, err)
	config := s.CachedInfo().Config
	require.Equal(t, time.Hour, config.MaxAge)
	require.EqualValues(t, 360, config.MaxMsgsPerSubject)
	require.Positive(t, config.MaxBytes)
}

func TestAReportDoesNotWaitForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q := ready(t, n)
	n.Stop()
	require.Eventually(t, func() bool { return !q.Connected() }, 20*time.Second, 10*time.Millisecond)
	begun := time.Now()
	require.ErrorIs(t, q.StoreFleetReport(t.Context(), "host-worker-1", nil), nats.ErrDisconnected)
	require.Less(t, time.Since(begun), time.Second)
}
