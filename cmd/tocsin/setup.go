package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"
)

type setupCmd struct {
	NATS     natsFlags `embed:"" group:"Dependencies"`
	Replicas int       `default:"1" help:"Copies of each stream that is created (${default}); 3 on a cluster."`
}

func (c *setupCmd) Run(ctx context.Context, std stdio) error {
	q, err := c.NATS.connect(false, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	if err := q.Setup(ctx, c.Replicas); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "streams are ready")
	return nil
}
