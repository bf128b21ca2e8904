package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/queue"
)

// readiness tells whether a process does its work, and if not, why.
type readiness struct {
	queue   *queue.Queue
	redis   redis.UniversalClient
	stop    <-chan struct{} // closed once the process was told to stop
	streams bool            // it does nothing before the streams are there: a worker; web answers pages and calls without them
	causes  bool            // say causes, which hold addresses of servers: not for the public
}

// handler answers /healthz while the process lives, and /readyz while it does its
// work. A worker that is not ready waits by itself and must not be restarted for
// it.
func (r readiness) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, request *http.Request) {
		reasons := r.reasons(request.Context())
		if len(reasons) > 0 {
			http.Error(w, "not ready\n"+strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// pingTime is less than the second or more that probes wait by default.
const pingTime = 900 * time.Millisecond

// reasons are why the process does not do its work, one a line; none: it does.
func (r readiness) reasons(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	var reasons []string
	say := func(reason string, cause error) {
		if r.causes && cause != nil {
			reason += ": " + printable(cause.Error())
		}
		reasons = append(reasons, reason)
	}
	select {
	case <-r.stop:
		say("draining: it was told to stop, and finishes what it has in hand", nil)
	default:
	}
	if err := r.queue.Unreachable(); err != nil {
		say("waiting for NATS", err)
	} else if err := r.queue.Unprepared(); err != nil && r.streams {
		say("waiting for the streams in NATS", err)
	}
	if err := r.redis.Ping(ctx).Err(); err != nil {
		say("waiting for Redis", err)
	}
	return reasons
}
