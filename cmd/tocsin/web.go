package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/zap"

	"tocsin/channels/unsubscribe"
	"tocsin/prefs"
	"tocsin/schema"
)

type webCmd struct {
	Prefs    prefsFlags `embed:"" group:"Dependencies"`
	Log      logFlags   `embed:"" group:"Logs"`
	HTTPAddr string     `name:"http-addr" env:"TOCSIN_HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to answer (${default})."`
	LinkKey  string     `name:"link-key" env:"TOCSIN_LINK_KEY" required:"" placeholder:"BASE64" help:"Verifies links in mails: base64 of 32 bytes; several by comma: the first signs, all verify."`
}

func (c *webCmd) Run(ctx context.Context, std stdio) error {
	log := c.Log.logger(std.err)
	store, client, err := c.Prefs.open()
	if err != nil {
		return err
	}
	defer client.Close()
	links, err := unsubscribeHandler(store, c.LinkKey)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("TOCSIN_HTTP_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(unsubscribe.Path, links)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	stop := serve(listener, mux, log)
	defer stop()
	log.Info("answering links in mails", zap.Stringer("address", listener.Addr()))
	<-ctx.Done()
	return nil
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
