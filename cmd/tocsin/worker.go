package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/fleet"
	"tocsin/metrics"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/schema"
	"tocsin/worker"
)

type workerCmd struct {
	NATS   natsFlags     `embed:"" group:"Dependencies"`
	Prefs  prefsFlags    `embed:"" group:"Dependencies"`
	Log    logFlags      `embed:"" group:"Logs"`
	Watch  metricsFlags  `embed:"" set:"metrics_addr=127.0.0.1:9090" group:"Watching"`
	Traces traceFlags    `embed:"" group:"Watching"`
	Policy worker.Policy `embed:"" group:"Retries"`
	offer  `group:"Channels"`

	Channels    []string       `name:"channels" env:"TOCSIN_WORKER_CHANNELS" placeholder:"CHANNEL" complete:"channel" help:"Deliver by these channels alone, and route only if 'route' is among them. Default: route, and deliver by all."`
	Concurrency map[string]int `name:"concurrency" env:"TOCSIN_CONCURRENCY" mapsep:"," placeholder:"CHANNEL=N" help:"Attempts at a time, by channel; 'route=N' for events."`
	PerEndpoint int            `name:"endpoint-concurrency" env:"TOCSIN_ENDPOINT_CONCURRENCY" default:"8" placeholder:"N" help:"Attempts at a time to one user's webhook or room (${default}), and sixteen times as many to one host, so that one that hangs holds up no others."`
	Drain       time.Duration  `name:"drain-timeout" env:"TOCSIN_DRAIN_TIMEOUT" default:"30s" help:"How long what is in hand may take after SIGTERM (${default})."`
	CPUProfile  string         `name:"cpu-profile" type:"path" placeholder:"FILE" help:"Write a profile of what this process computes, from start to stop, for 'go tool pprof'."`
}

// routing is the name by which --channels and --concurrency speak of the router.
const routing = "route"

// defaultRouteSlots is how many events a worker routes at a time. Each waits most
// of its time for answers of Redis and NATS, and those that wait together ask
// together: with 64 a delivery cost a quarter more, and a burst of 100,000 events
// held up others for 5 s, where they are held up for a quarter of a second now.
const defaultRouteSlots = 512

func (c *workerCmd) Run(ctx context.Context, std stdio) error {
	stopProfile, err := profile(c.CPUProfile)
	if err != nil {
		return err
	}
	defer stopProfile()
	log := c.Log.logger(std.err)
	store, client, err := c.Prefs.open()
	if err != nil {
		return err
	}
	defer client.Close()
	offered, err := c.names()
	if err != nil {
		return err
	}
	deliverers, err := c.deliverers(offered, store, log)
	if err != nil {
		return err
	}
	q, err := c.NATS.connect(true, log)
	if err != nil {
		return err
	}
	defer q.Close()
	figures := metrics.New(version())
	stopWatch, err := c.Watch.serve(ctx, watched{q, client, c.every(), figures, fleet.RoleWorker}, log)
	if err != nil {
		return err
	}
	defer stopWatch()
	tracer, stopTraces, err := c.Traces.start(ctx, "worker", log)
	if err != nil {
		return err
	}
	defer stopTraces()
	if err := q.SetupPatiently(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before there was a server
		}
		return err
	}
	pacer, isolation := pace.New(client), worker.NewIsolation(c.PerEndpoint, store, breaker.NewHosts(client))
	isolation.Index = breaker.NewIndex(client)
	for _, dl := range deliverers {
		dl.Pacer, dl.Isolation = pacer, isolation
		dl.Meter, dl.Tracer = figures.Deliveries(dl.Spec.Name), tracer
		if slices.Contains(offered, schema.NoticeChannel) {
			dl.Notices = q
		}
	}
	figures.WatchPace(q.Pace)
	w := worker.Worker{Queue: q, Deliverers: deliverers, Meter: figures, Drain: c.Drain}
	if c.runs(routing) {
		if w.Router, err = newRouter(store, q, offered, log); err != nil {
			return err
		}
		w.Router.Meter, w.Router.Tracer = figures.Routing(offered), tracer
		w.RouteSlots = c.slots(routing, defaultRouteSlots)
	}
	log.Info("working", zap.String("version", version()), zap.Strings("offered", offered),
		zap.Strings("delivering", names(deliverers)), zap.Bool("routing", w.Router != nil))
	w.Run(ctx)
	log.Info("stopped")
	return nil
}

// runs reports whether this worker does a part of the work.
func (c *workerCmd) runs(part string) bool {
	return len(c.Channels) == 0 || slices.Contains(c.Channels, part)
}

func (c *workerCmd) slots(part string, otherwise int) int {
	if n, ok := c.Concurrency[part]; ok {
		return n
	}
	return otherwise
}

func (c *workerCmd) check() error {
	parts := slices.DeleteFunc(slices.Clone(c.Channels), func(name string) bool { return name == routing })
	if err := c.known("--channels", parts); err != nil {
		return err
	}
	if c.PerEndpoint < 1 {
		return misuse{fmt.Errorf("TOCSIN_ENDPOINT_CONCURRENCY is %d: it must be at least 1", c.PerEndpoint)}
	}
	for part, n := range c.Concurrency {
		if part != routing {
			if err := c.known("TOCSIN_CONCURRENCY", []string{part}); err != nil {
				return err
			}
		}
		if n < 1 {
			return misuse{fmt.Errorf("TOCSIN_CONCURRENCY: %s=%d must be at least 1", part, n)}
		}
	}
	return nil
}

// deliverers opens the channels of this worker. It also delivers by channels
// that are configured but no longer offered: what is queued is not dropped.
func (c *workerCmd) deliverers(offered []string, store *prefs.Store, log *zap.Logger) ([]*worker.Deliverer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	channels, err := c.open(c.runs, offered, log)
	if err != nil {
		return nil, err
	}
	var deliverers []*worker.Deliverer
	for _, o := range channels {
		deliverers = append(deliverers, &worker.Deliverer{
			Channel: o.channel, Spec: o.spec, Targets: store, Policy: c.Policy,
			Slots: c.slots(o.spec.Name, o.spec.Concurrency),
			Log:   log.With(zap.String("channel", o.spec.Name)),
		})
	}
	return deliverers, nil
}

func newRouter(store *prefs.Store, q *queue.Queue, offered []string, log *zap.Logger) (*worker.Router, error) {
	validator, err := schema.NewValidator()
	if err != nil {
		return nil, fmt.Errorf("compile the event schemas: %w", err)
	}
	return &worker.Router{
		Parse: validator.Parse, Claims: store, Outages: store, Members: store, Deliveries: q, Offered: offered, Log: log,
		Share: worker.NewShare(),
	}, nil
}

func names(deliverers []*worker.Deliverer) []string {
	var names []string
	for _, dl := range deliverers {
		names = append(names, dl.Spec.Name)
	}
	return names
}
