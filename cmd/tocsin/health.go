package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/fleet"
	"tocsin/metrics"
	"tocsin/queue"
)

// metricsFlags say where a process is watched. Every daemon has them.
type metricsFlags struct {
	MetricsAddr string `name:"metrics-addr" env:"TOCSIN_METRICS_ADDR" default:"${metrics_addr}" placeholder:"ADDR" help:"Where /metrics, /healthz and /readyz answer (${default}); 'off' for nowhere."`
}

// watched is what a daemon shows of itself, and what it depends on.
type watched struct {
	queue    *queue.Queue
	redis    redis.UniversalClient
	channels []string // all that there are
	figures  *metrics.Metrics
	role     string // in the fleet
}

// serve answers there, and keeps the figures up to date, until stop is called.
// The address is not for the public. ctx ends when the process is told to stop.
func (f metricsFlags) serve(ctx context.Context, w watched, log *zap.Logger) (stop func(), err error) {
	context.AfterFunc(ctx, w.figures.Drain)
	stopSampling, leave := w.sample(context.WithoutCancel(ctx)), w.report(log)
	unwatch := func() { leave(); stopSampling() }
	if f.MetricsAddr == "off" {
		return unwatch, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.MetricsAddr)
	if err != nil {
		unwatch()
		return nil, fmt.Errorf("TOCSIN_METRICS_ADDR: %w (another process of Tocsin on this machine? give each its own, or 'off')", err)
	}
	log.Info("answering /healthz, /readyz and /metrics", zap.Stringer("address", listener.Addr()))
	mux := http.NewServeMux()
	mux.Handle("/", readiness{queue: w.queue, redis: w.redis, stop: ctx.Done(), streams: w.role == fleet.RoleWorker, causes: true}.handler())
	mux.Handle("GET /metrics", w.figures.Handler())
	stopServing := serve(listener, mux, log)
	return func() { stopServing(); unwatch() }, nil
}

// report tells the fleet of this process, until it leaves.
func (w watched) report(log *zap.Logger) (leave func()) {
	return fleet.Reporter{
		Self: fleet.NewSelf(w.role, version()), From: w.figures.Gatherer(), To: w.queue, Log: log,
	}.Start()
}

// sample reads what other servers know, until stop is called: also while the
// process finishes what it has in hand.
func (w watched) sample(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var samplers sync.WaitGroup
	samplers.Go(func() { w.figures.WatchBacklog(ctx, metrics.SampleEvery, w.queue, w.channels) })
	samplers.Go(func() {
		w.figures.WatchBreakers(ctx, metrics.SampleEvery, breaker.NewIndex(w.redis), w.channels)
	})
	samplers.Go(func() {
		w.figures.WatchServers(ctx, metrics.SampleEvery,
			metrics.Server{Name: "nats", Ping: w.queue.Ping},
			metrics.Server{Name: "redis", Ping: func(ctx context.Context) error { return w.redis.Ping(ctx).Err() }})
	})
	return func() { cancel(); samplers.Wait() }
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
