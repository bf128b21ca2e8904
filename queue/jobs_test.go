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

	first, err := q.SaveJob(t.Context(), "j1", []byte("planned"), 0)
	require.NoError(t, err)
	_, err = q.SaveJob(t.Context(), "j1", []byte("again"), 0)
	require.ErrorIs(t, err, queue.ErrJobChanged, "it is there already")
	second, err := q.SaveJob(t.Context(), "j1", []byte("running"), first)
	require.NoError(t, err)
	_, err = q.SaveJob(t.Context(), "j1", []byte("late"), first)
	require.ErrorIs(t, err, queue.ErrJobChanged)

	value, revision, err := q.Job(t.Context(), "j1")
	require.NoError(t, err)
	require.Equal(t, "running", string(value))
	require.Equal(t, second, revision)
	ids, err = q.Jobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"j1"}, ids)

	require.NoError(t, q.RemoveJob(t.Context(), "j1"))
	for _, id := range []string{"j1", "", "a b", "*"} {
		_, _, err = q.Job(t.Context(), id)
		require.ErrorIs(t, err, queue.ErrNoJob, "%q", id)
	}
}
