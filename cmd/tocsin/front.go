package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/unsubscribe"
	"tocsin/console/api"
	"tocsin/console/links"
	"tocsin/console/ops"
	"tocsin/console/pages"
	"tocsin/console/targets"
	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/replay"
	"tocsin/schema"
)

// front is what answers people and programs.
type front struct {
	mux      *http.ServeMux
	queue    *queue.Queue
	store    *prefs.Store
	redis    redis.UniversalClient
	channels *targets.Channels
	links    *links.Links
	replays  *replay.Replays
	closers  []func()
}

func (f *front) close() {
	for _, c := range slices.Backward(f.closers) {
		c()
	}
}

// runReplays runs replays that the API has started, until ctx is done.
func (f *front) runReplays(ctx context.Context, log *zap.Logger) {
	const lookEvery = 2 * time.Second // how soon one begins
	f.replays.Serve(ctx, lookEvery, log)
}

// front builds all of it. It waits neither for Redis nor for NATS.
func (c *webCmd) front(log *zap.Logger) (_ *front, err error) {
	f := &front{mux: http.NewServeMux()}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if err := c.openParts(f, log); err != nil {
		return nil, err
	}
	calls, err := c.calls(f, log)
	if err != nil {
		return nil, err
	}
	views, err := pages.New(pages.Options{
		Store: f.store, Queue: f.queue, Links: f.links, Channels: f.channels, Specs: c.specs,
		FrameAncestors: c.Frames, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_FRAME_ANCESTORS: %w", err)
	}
	operations, err := c.operations(f, log)
	if err != nil {
		return nil, err
	}
	stop, err := unsubscribeHandler(f.store, c.mails().LinkKey)
	if err != nil {
		return nil, err
	}
	f.mux.Handle(unsubscribe.Path, stop)
	views.Register(f.mux)
	operations.Register(f.mux)
	return f, calls.Register(f.mux)
}

// openParts opens what answers come from.
func (c *webCmd) openParts(f *front, log *zap.Logger) (err error) {
	if f.links, err = c.linking(); err != nil {
		return err
	}
	if f.store, f.redis, err = c.Prefs.open(); err != nil {
		return err
	}
	f.closers = append(f.closers, func() { _ = f.redis.Close() })
	offered, err := c.opened(log)
	if err != nil {
		return err
	}
	if f.queue, err = c.NATS.connect(true, log); err != nil {
		return err
	}
	f.closers = append(f.closers, f.queue.Close)
	router, err := newRouter(f.store, f.queue, nil, log) // it plans what is routed again, by the channels of each job
	if err != nil {
		return err
	}
	f.replays = &replay.Replays{Letters: f.queue, Wishes: f.store, Routes: router}
	f.channels = &targets.Channels{Store: f.store, Offered: offered, Links: f.links, Records: recordsOf(f.store, f.queue)}
	return nil
}

func (c *webCmd) calls(f *front, log *zap.Logger) (*api.API, error) {
	keys, err := api.ParseKeys(c.APIKeys)
	if err != nil {
		return nil, misuse{fmt.Errorf("TOCSIN_API_KEYS: %w", err)}
	}
	if c.APIRate < 0 {
		return nil, misuse{errors.New("TOCSIN_API_RATE: it is below 0")}
	}
	if keys.None() {
		log.Warn("TOCSIN_API_KEYS is not set: the HTTP API refuses everything")
	}
	return api.New(api.Options{
		Store: f.store, Channels: f.channels, Ledger: f.queue, Links: f.links, Keys: keys, Rate: c.APIRate,
		Dead: f.queue, Replays: f.replays, Trail: audit.Trail{Stream: f.queue, Log: log},
		PublicURL: f.links.Base(), Version: version(), Log: log,
	}), nil
}

// operations is the ops console.
func (c *webCmd) operations(f *front, log *zap.Logger) (*ops.Console, error) {
	keys, err := ops.ParseKeys(c.OpsKeys)
	if err != nil {
		return nil, misuse{fmt.Errorf("TOCSIN_OPS_KEYS: %w", err)}
	}
	return ops.New(ops.Options{
		Queue: f.queue, Replays: f.replays, Links: f.links, Specs: c.specs, Reports: f.queue,
		Broken: breaker.NewIndex(f.redis), Hosts: breaker.NewHosts(f.redis), Owners: f.store, Keys: keys, Log: log,
	})
}

// linking is what links are made of.
func (c *webCmd) linking() (*links.Links, error) {
	mails := c.mails()
	switch {
	case mails.LinkKey == "":
		return nil, misuse{errors.New("TOCSIN_LINK_KEY: missing; it signs the links to settings pages and in mails")}
	case mails.PublicURL == "":
		return nil, misuse{errors.New("TOCSIN_PUBLIC_URL: missing; it is where users reach their settings pages")}
	}
	base, err := email.ParsePublicURL(mails.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_PUBLIC_URL: %w", err)
	}
	made, err := links.New(mails.LinkKey, base)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_LINK_KEY: %w", err)
	}
	return made, nil
}

// mails is the email channel's configuration: its mails hold links too, so the
// flags about them are its own.
func (o *offer) mails() *email.Config {
	for _, spec := range o.specs {
		if config, ok := spec.Config.(*email.Config); ok {
			return config
		}
	}
	return &email.Config{}
}

// opened are the offered channels, with what delivers where this process is
// configured for it.
func (c *webCmd) opened(log *zap.Logger) ([]targets.Offered, error) {
	names, err := c.names()
	if err != nil {
		return nil, err
	}
	ready, err := c.open(func(name string) bool { return slices.Contains(names, name) }, nil, log)
	if err != nil {
		return nil, err
	}
	var all []targets.Offered
	for _, name := range names {
		at := func(spec channels.Spec) bool { return spec.Name == name }
		offered := targets.Offered{Spec: c.specs[slices.IndexFunc(c.specs, at)]}
		if i := slices.IndexFunc(ready, func(o opened) bool { return o.spec.Name == name }); i >= 0 {
			offered.Channel = ready[i].channel
		}
		all = append(all, offered)
	}
	return all, nil
}

// recordsOf reads what became of a user's deliveries in all their accounts of
// late, oldest first: enough to say how a channel fares.
func recordsOf(store *prefs.Store, q *queue.Queue) func(context.Context, string) iter.Seq2[schema.Record, error] {
	return func(ctx context.Context, user string) iter.Seq2[schema.Record, error] {
		return func(yield func(schema.Record, error) bool) {
			all, err := readRecords(ctx, store, q, user)
			if err != nil {
				yield(schema.Record{}, err)
				return
			}
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// ofLate is as long as retries go on by default.
const ofLate = 72 * time.Hour

func readRecords(ctx context.Context, store *prefs.Store, q *queue.Queue, user string) ([]schema.Record, error) {
	accounts, err := store.Accounts(ctx, user)
	if err != nil {
		return nil, err
	}
	var all []schema.Record
	for _, account := range accounts {
		for r, err := range q.Ledger(ctx, queue.LedgerQuery{Account: account, User: user, Since: time.Now().Add(-ofLate)}) {
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	if len(accounts) > 1 {
		slices.SortStableFunc(all, func(a, b schema.Record) int { return a.At.Compare(b.At) })
	}
	return all, nil
}

// unsubscribeHandler answers the link in each mail that stops mails of its type.
func unsubscribeHandler(store *prefs.Store, linkKey string) (http.Handler, error) {
	signer, err := unsubscribe.NewSigner(linkKey)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_LINK_KEY: %w", err)
	}
	off := func(ctx context.Context, user, typeName string) error {
		no := false
		err := store.SetChoices(ctx, user, map[prefs.Cell]*bool{{Type: typeName, Channel: "email"}: &no})
		if errors.Is(err, prefs.ErrNoUser) {
			return nil // deleted since the mail was sent: no more mails either way
		}
		return err
	}
	meaning := func(typeName string) string {
		known, _ := schema.TypeNamed(typeName)
		return known.Meaning
	}
	return unsubscribe.Handler(signer, off, meaning), nil
}
