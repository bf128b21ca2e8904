package main

import (
	"context"

	"go.uber.org/zap"

	"tocsin/audit"
	"tocsin/queue"
	"tocsin/schema"
)

// audited records that whoever types a command is about to change something,
// does it, and records how it ended.
func audited(ctx context.Context, q *queue.Queue, what, on, detail string, do func() error) error {
	act := byCommand()
	act.What, act.On, act.Detail = what, on, detail
	return trail(q).Do(ctx, act, do)
}

func trail(q *queue.Queue) audit.Trail { return audit.Trail{Stream: q, Log: zap.NewNop()} }

func byCommand() schema.Act { return schema.Act{Who: whoever(), Via: schema.ByCommand} }
