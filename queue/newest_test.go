package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/servertest"
)

// Dead letters are read newest first, whatever gaps replays have left, page by
// page without one twice or none.
func TestNewestLettersFirst(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	const all = 3000
	for i := range all {
		subject := []string{"tocsin.dead.webhook.job.fail", "tocsin.dead.email.job.backon"}[min(i%10, 1)]
		_, err := js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: fmt.Append(nil, i)})
		require.NoError(t, err)
	}
	<-js.PublishAsyncComplete()
	stream, err := js.Stream(t.Context(), queue.DeadStream)
	require.NoError(t, err)
	var want []uint64 // of webhook
	for i := range uint64(all) {
		switch {
		case i > 500 && i < 1900: // a wide gap
			require.NoError(t, stream.DeleteMsg(t.Context(), i+1))
		case i%10 == 0:
			want = append(want, i+1)
		}
	}
	slices.Reverse(want)

	webhooks := queue.LetterFilter{Channel: "webhook"}
	require.Equal(t, want, newestOf(t, q, webhooks, 0, all))
	var paged []uint64
	for before := uint64(0); ; {
		page := newestOf(t, q, webhooks, before, 70)
		if len(page) == 0 {
			break
		}
		paged, before = append(paged, page...), page[len(page)-1]
	}
	require.Equal(t, want, paged)
	require.Empty(t, newestOf(t, q, webhooks, 1, 70), "before the first")
	require.Empty(t, newestOf(t, q, queue.LetterFilter{Channel: "ios"}, 0, 70))

	counts, err := q.DeadCounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(len(want)), counts[queue.DeadPlace{Channel: "webhook", Type: "job.fail"}])
	require.Len(t, counts, 2)
}

func TestNewestLettersOfAPeriod(t *testing.T) {
	t.Parallel()
	n := servertest.NATS(t)
	q, js := ready(t, n), stranger(t, n)
	require.Empty(t, newestOf(t, q, queue.LetterFilter{Until: time.Now()}, 0, 9), "none at all")
	var died []time.Time
	for i := range 6 {
		_, err := js.Publish(t.Context(), "tocsin.dead.webhook.job.fail", fmt.Append(nil, i))
		require.NoError(t, err)
	}
	for l, err := range q.DeadLetters(t.Context(), queue.LetterFilter{}, 0) {
		require.NoError(t, err)
		died = append(died, l.Died)
	}
	require.Equal(t, []uint64{4, 3}, newestOf(t, q, queue.LetterFilter{Since: died[2], Until: died[4]}, 0, 9))
	require.Equal(t, []uint64{6, 5}, newestOf(t, q, queue.LetterFilter{Since: died[4], Until: time.Now().Add(time.Hour)}, 0, 9))
}

func newestOf(t *testing.T, q *queue.Queue, f queue.LetterFilter, before uint64, most int) (sequences []uint64) {
	t.Helper()
	for l, err := range q.NewestLetters(t.Context(), f, before) {
		require.NoError(t, err)
		if len(sequences) == most {
			break
		}
		sequences = append(sequences, l.Sequence)
	}
	return sequences
}
