package breaker_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/breaker"
	"tocsin/servertest"
)

func TestIndexCountsEachEndpointInItsPhase(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(servertest.Redis(t))
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	index := breaker.NewIndex(client)
	note := func(name string, phases ...breaker.Phase) {
		for _, p := range phases {
			require.NoError(t, index.Note(t.Context(), "webhook", name, p))
		}
	}
	note("ada", breaker.Open)
	note("bob", breaker.Open, breaker.HalfOpen, breaker.Open)
	note("cleo", breaker.Open, breaker.HalfOpen)
	note("dan", breaker.Open, breaker.HalfOpen, breaker.Recovering)
	note("eve", breaker.Open, breaker.Closed)

	counts, err := index.Counts(t.Context(), "webhook", breaker.HostKind)
	require.NoError(t, err)
	require.Equal(t, map[breaker.Phase]int64{breaker.Open: 2, breaker.HalfOpen: 1, breaker.Recovering: 1}, counts["webhook"])
	require.Equal(t, map[breaker.Phase]int64{breaker.Open: 0, breaker.HalfOpen: 0, breaker.Recovering: 0}, counts[breaker.HostKind])
	names, err := index.Newest(t.Context(), "webhook", breaker.Open, 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"ada", "bob"}, names)

	// What has not changed for an hour carries nothing any more.
	require.NoError(t, client.ZAdd(t.Context(), "tocsin:breaker:{index}:webhook:open", redis.Z{Score: 1, Member: "old"}).Err())
	counts, err = index.Counts(t.Context(), "webhook")
	require.NoError(t, err)
	require.EqualValues(t, 2, counts["webhook"][breaker.Open])
	note("ada", breaker.Closed)
	left, err := client.ZCard(t.Context(), "tocsin:breaker:{index}:webhook:open").Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, left, "and is forgotten with the next change")
}
