package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tocsin/queue"
)

// healthHandler answers /healthz while the process lives, and /readyz while it
// can reach what it needs. A worker that is not ready waits by itself and must
// not be restarted for it.
func healthHandler(q *queue.Queue, client redis.UniversalClient) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		switch {
		case !q.Connected():
			http.Error(w, "waiting for NATS", http.StatusServiceUnavailable)
		case client.Ping(ctx).Err() != nil:
			http.Error(w, "waiting for Redis", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "ready")
		}
	})
	return mux
}

// newServer bounds how long a client may take. A request that is still answered
// when ReadTimeout is over has its context ended by net/http, so that it is above
// the half minute that an endpoint may take to answer a test.
func newServer(handler http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: zap.NewStdLog(log),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
}

// serve answers HTTP on listener until the returned function is called.
func serve(listener net.Listener, handler http.Handler, log *zap.Logger) (stop func()) {
	server := newServer(handler, log)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("HTTP server stopped", zap.Error(err))
		}
	}()
	return func() {
		_ = server.Close()
		<-closed
	}
}
