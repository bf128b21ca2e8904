package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/servertest"
)

func TestJobIsSavedOnlyByWhoHasReadItLast(t *testing.T) {
	t.Parallel()
	q := ready(t, servertest.NATS(t))
	ids, err := q.Jobs(t.Context())
	require.NoError(t, err)
	require.Empty(t, ids)

	require.NoError(t, q.SaveJob(t.Context(), "j1", []byte("planned"), 0))
	require.ErrorIs(t, q.SaveJob(t.Context(), "j1", []byte("again"), 0), queue.ErrJobChanged, "it is there already")
	_, first, err := q.Job(t.Context(), "j1")
	require.NoError(t, err)
	require.NoError(t, q.SaveJob(t.Context(), "j1", []byte("running"), first))
	require.ErrorIs(t, q.SaveJob(t.Context(), "j1", []byte("late"), first), queue.ErrJobChanged)

	value, _, err := q.Job(t.Context(), "j1")
	require.NoError(t, err)
	require.Equal(t, "running", string(value))
	ids, err = q.Jobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"j1"}, ids)

	require.NoError(t, q.RemoveJob(t.Context(), "j1"))
	for _, id := range []string{"j1", "", "a b", "*"} {
		_, _, err = q.Job(t.Context(), id)
		require.ErrorIs(t, err, queue.ErrNoJob, "%q", id)
	}
}
