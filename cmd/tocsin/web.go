package main

import (
	"context"
	"fmt"
	"net"

	"go.uber.org/zap"

	"tocsin/fleet"
	"tocsin/metrics"
)

type webCmd struct {
	NATS  natsFlags    `embed:"" group:"Dependencies"`
	Prefs prefsFlags   `embed:"" group:"Dependencies"`
	Log   logFlags     `embed:"" group:"Logs"`
	Watch metricsFlags `embed:"" set:"metrics_addr=127.0.0.1:9091" group:"Watching"`
	offer `group:"Channels"`

	HTTPAddr string   `name:"http-addr" env:"TOCSIN_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to answer (${default})."`
	APIKeys  string   `name:"api-keys" env:"TOCSIN_API_KEYS" placeholder:"KEY,..." help:"Bearer keys of the HTTP API. None: it refuses everything; settings pages and links in mails work all the same."`
	APIRate  int      `name:"api-rate" env:"TOCSIN_API_RATE" default:"100" placeholder:"N" help:"Requests a second that one key may make of this process (${default}); 0: as many as it likes."`
	OpsKeys  string   `name:"ops-keys" env:"TOCSIN_OPS_KEYS" placeholder:"ROLE:NAME:KEY,..." help:"Who may use the ops console at /ops: role (view or operate), a name for the audit stream, and a key. None: it is closed."`
	Frames   []string `name:"frame-ancestors" env:"TOCSIN_FRAME_ANCESTORS" sep:" " placeholder:"ORIGIN ..." help:"Origins whose pages may show the settings pages in a frame, separated by spaces. Default: none."`
}

// Help stands below the summary in --help.
func (c *webCmd) Help() string {
	return `Users come to their settings page by a link that the platform asks the API for (POST /v1/users/{user}/settings-link).
TOCSIN_PUBLIC_URL says where users reach this process, and TOCSIN_LINK_KEY signs the links. A channel's Test button works
where the channel is configured for this process as it is for the workers. The API describes itself at /docs.

Those who run the installation have a console at /ops: the fleet, dead letters and replays, what became of any event, and
who did what. A key for it, for example: TOCSIN_OPS_KEYS=operate:ada:$(openssl rand -base64 32)`
}

func (c *webCmd) Run(ctx context.Context, std stdio) error {
	log := c.Log.logger(std.err)
	f, err := c.front(log)
	if err != nil {
		return err
	}
	defer f.close()
	health := readiness{queue: f.queue, redis: f.redis, stop: ctx.Done()}.handler()
	f.mux.Handle("GET /healthz", health)
	f.mux.Handle("GET /readyz", health)
	stopWatch, err := c.Watch.serve(ctx, watched{f.queue, f.redis, c.every(), metrics.New(version()), fleet.RoleWeb}, log)
	if err != nil {
		return err
	}
	defer stopWatch()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("TOCSIN_HTTP_ADDR: %w", err)
	}
	stop := serve(listener, f.mux, log)
	defer stop()
	log.Info("answering", zap.Stringer("address", listener.Addr()), zap.Strings("offered", f.channels.Names()), zap.Bool("api", c.APIKeys != ""), zap.Bool("ops", c.OpsKeys != ""))
	// Pages and calls that need no stream are answered meanwhile.
	if err := f.queue.SetupPatiently(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	f.runReplays(ctx, log)
	return nil
}
