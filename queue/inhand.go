package queue

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// keepInHand tells the server at every heartbeat that msg is being handled,
// until letGo is called.
func keepInHand(msg jetstream.Msg) (letGo func()) {
	var mu sync.Mutex
	var timer *time.Timer
	gone := false

	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(heartbeat, func() {
		_ = msg.InProgress() // fails while NATS is away; the next one may not
		mu.Lock()
		defer mu.Unlock()
		if !gone {
			timer.Reset(heartbeat)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		gone = true
		timer.Stop()
	}
}
