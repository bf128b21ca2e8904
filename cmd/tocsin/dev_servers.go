package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/nats-io/nats-server/v2/server"
)

func (d *devParts) startNATS(ctx context.Context, addr, dir string) error {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("--nats-addr: %w", err)
	}
	if probe, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
		return fmt.Errorf("--nats-addr: %w (is another NATS, or another tocsin dev, running?)", err)
	} else {
		probe.Close()
	}
	instance, err := server.NewServer(&server.Options{
		Host: resolved.IP.String(), Port: natsPort(resolved.Port), JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	instance.Start()
	d.onClose(func() { instance.Shutdown(); instance.WaitForShutdown() })
	if !instance.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("NATS does not come up on %s with its files in %s", addr, dir)
	}
	d.natsURL = instance.ClientURL()
	return nil
}

// natsPort says "any port" as nats-server does.
func natsPort(port int) int {
	if port == 0 {
		return server.RANDOM_PORT
	}
	return port
}

// startStore starts the embedded preference store. It does not see time pass by
// itself, so it is told.
func (d *devParts) startStore() error {
	store, err := miniredis.Run()
	if err != nil {
		return fmt.Errorf("start the preference store: %w", err)
	}
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				store.FastForward(time.Second)
			case <-stop:
				return
			}
		}
	}()
	d.onClose(func() { close(stop); store.Close() })
	d.redisURL = "redis://" + store.Addr() + "/0"
	return nil
}
