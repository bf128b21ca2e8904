package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// benchNATSCmd is a nats-server in a process of its own, set up as
// deploy/nats/server.conf does it.
type benchNATSCmd struct {
	Dir        string `arg:"" type:"path"`
	CPUProfile string `name:"cpu-profile" type:"path"`
}

func (c *benchNATSCmd) Run(ctx context.Context, std stdio) error {
	stopProfile, err := profile(c.CPUProfile)
	if err != nil {
		return err
	}
	defer stopProfile()
	instance, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: c.Dir, SyncInterval: time.Second,
		NoLog: true, NoSigs: true,
	})
	if err != nil {
		return fmt.Errorf("configure nats-server: %w", err)
	}
	instance.Start()
	defer instance.WaitForShutdown()
	defer instance.Shutdown()
	if !instance.ReadyForConnections(20 * time.Second) {
		return errors.New("nats-server does not come up")
	}
	if err := json.NewEncoder(std.out).Encode(instance.ClientURL()); err != nil {
		return fmt.Errorf("say where nats-server listens: %w", err)
	}
	<-ctx.Done()
	return nil
}
