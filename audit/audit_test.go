package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

func trail(t *testing.T) (audit.Trail, *queue.Queue) {
	t.Helper()
	q, err := queue.Connect(queue.Options{URL: servertest.NATS(t).URL(), Name: "test", Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Setup(t.Context(), 0))
	return audit.Trail{Stream: q, Log: zap.NewNop()}, q
}

func acts(t *testing.T, q *queue.Queue) []queue.RecordedAct {
	t.Helper()
	var all []queue.RecordedAct
	for a, err := range q.Acts(t.Context(), 0) {
		require.NoError(t, err)
		all = append(all, a)
	}
	return all
}

var start = schema.Act{Who: "ada", Role: "operate", Via: schema.ByConsole, From: "192.0.2.1", What: "replay.start", On: "replay A"}

func TestAnActIsRecordedBeforeItIsDone(t *testing.T) {
	t.Parallel()
	trail, q := trail(t)
	require.NoError(t, trail.Do(t.Context(), start, func() error {
		before := acts(t, q)
		require.Len(t, before, 1)
		require.Equal(t, schema.ActBegun, before[0].Outcome)
		require.Equal(t, "ada", before[0].Who)
		require.Equal(t, "replay A", before[0].On)
		return nil
	}))
	after := acts(t, q)
	require.Len(t, after, 2)
	require.Equal(t, schema.ActDone, after[0].Outcome, "newest first")
	require.Equal(t, after[0].ID, after[1].ID)
}

func TestHowAnActEnded(t *testing.T) {
	t.Parallel()
	trail, q := trail(t)
	broken := errors.New("the server\nis away " + strings.Repeat("x", 1000))
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, trail.Do(ctx, start, func() error { cancel(); return broken }), broken)
	last := acts(t, q)[0]
	require.Equal(t, schema.ActFailed, last.Outcome, "also when whoever asked has left meanwhile")
	require.Less(t, len(last.Reason), 600)
	require.NotContains(t, last.Reason, "\n")

	trail.Refuse(t.Context(), start, "the role view may not do this")
	last = acts(t, q)[0]
	require.Equal(t, schema.ActRefused, last.Outcome)
	require.Equal(t, "the role view may not do this", last.Reason)
}

func TestWhatIsNotRecordedIsNotDone(t *testing.T) {
	t.Parallel()
	err := audit.Trail{Stream: away{}, Log: zap.NewNop()}.Do(t.Context(), start, func() error {
		t.Error("done")
		return nil
	})
	require.ErrorIs(t, err, audit.ErrUnrecorded)
	require.ErrorIs(t, err, errAway)
}

type away struct{}

var errAway = errors.New("away")

func (away) RecordAct(context.Context, schema.Act) error { return errAway }
