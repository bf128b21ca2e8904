package prefs

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Batches that are on their way at once. One server answers in turn whatever
// comes, and a second batch keeps it busy while the first one's replies are
// read. In a cluster a batch is over when the slowest of its nodes has answered,
// so that a node that hangs would hold up the others: each question goes by
// itself there, over the connections of its own node.
const (
	batchesOfOneServer = 2
	batchesOfACluster  = math.MaxInt
)

// batcher sends what many goroutines ask at the same moment in one round trip,
// like the group commit of a database: what is asked while all batches are on
// their way goes with the next, and nothing waits where one is free.
type batcher struct {
	client redis.UniversalClient

	mu      sync.Mutex
	free    int
	waiting []*question
}

// question is what one goroutine asks.
type question struct {
	ask   func(redis.Pipeliner)
	batch []*question   // what its own goroutine is to send, itself among them; nil if another one sends it
	woken chan struct{} // closed when there is a batch to send, or err
	err   error
}

func newBatcher(client redis.UniversalClient) *batcher {
	b := &batcher{client: client, free: batchesOfOneServer}
	if _, cluster := client.(*redis.ClusterClient); cluster {
		b.free = batchesOfACluster
	}
	return b
}

// send makes the commands of ask a part of a batch, and returns when each has
// its reply. The timeouts of the client end it and not the caller's context,
// since others' commands are in the same batch. Its error is that of pipelined.
func (b *batcher) send(ctx context.Context, ask func(redis.Pipeliner)) error {
	q := &question{ask: ask, woken: make(chan struct{})}
	if !b.enter(q) {
		<-q.woken
	}
	if q.batch != nil {
		b.sendBatch(context.WithoutCancel(ctx), q)
	}
	return q.err
}

// enter reports whether a batch was free for the question. Where it was not, the
// question waits: so none waits where one is free.
func (b *batcher) enter(q *question) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free == 0 {
		b.waiting = append(b.waiting, q)
		return false
	}
	b.free--
	q.batch = []*question{q}
	return true
}

func (b *batcher) sendBatch(ctx context.Context, sender *question) {
	err := pipelined(ctx, b.client, func(p redis.Pipeliner) {
		for _, q := range sender.batch {
			q.ask(p)
		}
	})
	b.handOn()
	for _, q := range sender.batch {
		q.err = err
		if q != sender {
			close(q.woken)
		}
	}
}

// handOn has the first of those that wait send the next batch: all that wait now.
func (b *batcher) handOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.free++
		return
	}
	next := b.waiting[0]
	next.batch, b.waiting = b.waiting, nil
	close(next.woken)
}

// ask sends one command as a part of a batch.
func ask[C redis.Cmder](ctx context.Context, b *batcher, command func(redis.Pipeliner) C) (C, error) {
	var reply C
	err := b.send(ctx, func(p redis.Pipeliner) { reply = command(p) })
	return reply, cmp.Or(err, reply.Err())
}

// run runs a script as a part of a batch, and once more by itself where the
// server does not know it yet.
func (b *batcher) run(ctx context.Context, script *redis.Script, key string, args ...any) (*redis.Cmd, error) {
	keys := []string{key}
	reply, err := ask(ctx, b, func(p redis.Pipeliner) *redis.Cmd { return script.EvalSha(ctx, p, keys, args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply = script.Eval(ctx, b.client, keys, args...)
		err = reply.Err()
	}
	return reply, err
}

// pipelined sends commands in one round trip. Each command has its own error
// afterwards; pipelined returns one only where the commands were not sent at
// all: a connection whose password is refused leaves them without error and
// reply.
func pipelined(ctx context.Context, client redis.UniversalClient, ask func(redis.Pipeliner)) error {
	commands, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { ask(p); return nil })
	if slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return nil
	}
	return err
}
