package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/queue"
	"tocsin/schema"
	"tocsin/servertest"
)

// What it takes to look at a dead letter, with the server in the same process.
func BenchmarkDeadLetters(b *testing.B) {
	server := servertest.NATS(b)
	q, err := queue.Connect(queue.Options{URL: server.URL(), Log: zap.NewNop()})
	require.NoError(b, err)
	b.Cleanup(q.Close)
	require.NoError(b, q.Setup(b.Context(), 0))
	const letters = 20_000
	sample, err := schema.Sample("job.fail")
	require.NoError(b, err)
	for from := 0; from < letters; from += 1000 {
		var dead []schema.Delivery
		for i := range 1000 {
			e := sample
			e.ID, e.Source, e.Account = fmt.Sprint("e", from+i), "/p", "acme"
			dead = append(dead, schema.Delivery{
				Event: e, User: "ada", Channel: "webhook", Target: "main", Planned: time.Now(), Attempts: 1,
				Last: schema.Attempt{At: time.Now(), Status: "404", Reason: "endpoint answered 404", Host: "hooks.example.com:443"},
			})
		}
		require.NoError(b, q.BuryAll(b.Context(), dead, queue.Death{Cause: queue.Permanent, Reason: "endpoint answered 404"}))
	}
	for b.Loop() {
		read := 0
		for l, err := range q.DeadLetters(b.Context(), queue.LetterFilter{}, 0) {
			require.NoError(b, err)
			if l.Delivery != nil {
				read++
			}
		}
		require.Equal(b, letters, read)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*letters), "µs/letter")
}
