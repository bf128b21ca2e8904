package worker

import (
	"context"
	"time"

	"tocsin/queue"
	"tocsin/schema"
)

// Worker is one member of the fleet.
type Worker struct {
	Queue      *queue.Queue
	Router     *Router // nil: this worker does not route
	RouteSlots int     // events at a time
	Deliverers []*Deliverer
	Meter      queue.Meter   // nil: nobody counts
	Drain      time.Duration // how long what is in hand may take once told to stop
}

// Run works until stop is done and what is in hand has finished.
func (w *Worker) Run(stop context.Context) {
	pool := w.Queue.NewPool(w.Drain)
	pool.Meter = w.Meter
	if w.Router != nil {
		pool.Events(w.RouteSlots, func(ctx context.Context, e queue.PublishedEvent) queue.Outcome {
			return w.Router.Route(stop, ctx, e)
		})
	}
	for _, dl := range w.Deliverers {
		pool.Deliveries(dl.Spec.Name, dl.Slots, func(ctx context.Context, d schema.Delivery) queue.Outcome {
			return dl.Deliver(stop, ctx, d)
		})
	}
	pool.Run(stop)
}
