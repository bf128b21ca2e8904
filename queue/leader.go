package queue

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// election is how long a cluster may be without a leader: one is elected 4 to 9
// seconds after the last was heard of.
const election = 10 * time.Second

// headless remembers since when a server says that its cluster has no leader.
type headless struct {
	mu          sync.Mutex
	since, last time.Time
}

// lasts notes that a server says so now, and reports whether it has gone on
// saying so for longer than an election takes. Then it begins anew.
func (h *headless) lasts(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.last) > election {
		h.since = now
	}
	h.last = now
	if now.Sub(h.since) <= election {
		return false
	}
	h.last = time.Time{}
	return true
}

// seekLeader turns to another server if err says that this one knows no leader,
// and has known none for a while. It answers everything else, so that nobody
// would ever leave it; but it may be cut off from others that have a leader.
func (q *Queue) seekLeader(err error) {
	if !hasNoLeader(err) || len(q.conn.Servers()) < 2 || !q.headless.lasts(time.Now()) {
		return
	}
	q.log.Warn("a NATS server has no leader; turning to another one", zap.String("server", q.conn.ConnectedUrlRedacted()))
	if err := q.conn.ForceReconnect(); err != nil {
		q.log.Warn("cannot turn to another NATS server", zap.Error(err))
	}
}

// hasNoLeader reports whether a cluster has no leader, as far as a server knows:
// JetStream's error code 10008 (server/errors.json).
func hasNoLeader(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && refused.ErrorCode == 10008
}
