package pace_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/pace"
	"tocsin/servertest"
)

// noEnd is PTTL's answer for a key that stays (redis.io/commands/pttl). It says -2
// for one that is no more.
const noEnd = time.Duration(-1)

// Every key has the room's hash tag and an end, and none tells the settings.
func TestKeys(t *testing.T) {
	t.Parallel()
	client := redisClient(t, servertest.Redis(t))
	p := pace.New(client)
	p.Backlog = 0
	r := room(9)
	r.Rate.Per = time.Second
	for n := range 5 {
		_, err := p.Admit(t.Context(), r, delivery(n), "line")
		require.NoError(t, err)
	}
	<-time.After(r.Rate.Per) // the window
	v, err := p.Admit(t.Context(), r, delivery(9), "line")
	require.NoError(t, err)
	require.NotEmpty(t, v.Companions)
	require.NoError(t, p.Told(t.Context(), r, "leader", []string{v.Companions[0].ID}))
	require.NoError(t, p.Close(t.Context(), r, time.Minute))
	_, err = p.Admit(t.Context(), r, delivery(10), "line")
	require.NoError(t, err)

	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(keys), 5)
	for _, key := range keys {
		require.Regexp(t, `^tocsin:pace:\{[0-9a-f]{32}\}:`, key)
		ttl, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.NotEqual(t, noEnd, ttl, key) // one that has ended meanwhile had an end
	}
}

func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}
