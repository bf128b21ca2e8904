package prefs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gate holds each pipeline until the test lets it go with a result, and never
// asks a server.
type gate struct {
	redis.Hook
	batches chan int // commands of each
	results chan error
}

func (g *gate) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, commands []redis.Cmder) error {
		g.batches <- len(commands)
		err := <-g.results
		for _, c := range commands {
			c.SetErr(err)
		}
		return err
	}
}

func gatedBatcher(t *testing.T) (*batcher, *gate) {
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	g := &gate{batches: make(chan int, 10), results: make(chan error)}
	client.AddHook(g)
	return newBatcher(client), g
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// get asks for a key in a goroutine.
func get(t *testing.T, b *batcher, group *sync.WaitGroup, want error) {
	group.Go(func() {
		reply, err := ask(t.Context(), b, func(p redis.Pipeliner) *redis.StringCmd { return p.Get(t.Context(), "key") })
		assert.ErrorIs(t, err, want)
		assert.ErrorIs(t, reply.Err(), want)
	})
}

func TestQuestionsThatWaitGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, g := gatedBatcher(t)
		var group sync.WaitGroup
		for range batchesOfOneServer {
			get(t, b, &group, nil)
			require.Equal(t, 1, <-g.batches, "where a batch is free, nothing waits")
		}
		away := errors.New("the server went away")
		for range 100 {
			get(t, b, &group, away)
		}
		synctest.Wait()
		require.Empty(t, g.batches, "no more batches at once")

		g.results <- nil
		require.Equal(t, 100, <-g.batches, "all that waited go with the next")
		g.results <- nil
		synctest.Wait()
		g.results <- away
		group.Wait()

		get(t, b, &group, nil)
		require.Equal(t, 1, <-g.batches, "all batches are free again")
		get(t, b, &group, nil)
		require.Equal(t, 1, <-g.batches)
		g.results <- nil
		g.results <- nil
		group.Wait()
	})
}
