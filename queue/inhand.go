package queue

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// inHand is what a pool has in hand. The server is told at every heartbeat that
// a message is still being handled. One goroutine does it for all: a timer for
// each message is 3 % of what a delivery costs.
type inHand struct {
	mu    sync.Mutex
	beats map[held]time.Time // when the server was told last
}

// held is a message of which the server is told.
type held interface {
	InProgress(...nats.AckOpt) error
}

func newInHand() *inHand { return &inHand{beats: make(map[held]time.Time)} }

func (h *inHand) take(msg held) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beats[msg] = now
}

func (h *inHand) letGo(msg held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.beats, msg)
}

// keep tells the server until ctx is done.
func (h *inHand) keep(ctx context.Context) {
	look := time.NewTicker(heartbeat / 10)
	defer look.Stop()
	for {
		select {
		case now := <-look.C:
			for _, msg := range h.due(now) {
				_ = msg.InProgress() // fails while NATS is away; the next one may not
			}
		case <-ctx.Done():
			return
		}
	}
}

// due are those of which the server has not heard for a heartbeat. It counts as
// told now.
func (h *inHand) due(now time.Time) (due []held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for msg, told := range h.beats {
		if now.Sub(told) >= heartbeat {
			h.beats[msg] = now
			due = append(due, msg)
		}
	}
	return due
}
