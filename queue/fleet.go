package queue

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// FleetStream keeps what processes report of themselves.
const FleetStream = "TOCSIN_FLEET"

const (
	fleetSubjects = "tocsin.fleet.>"
	fleetAge      = time.Hour
	fleetEach     = 360       // reports of one process: one each 10 seconds for as long as they are kept
	fleetBytes    = 256 << 20 // a report has about 2 KiB: those of 300 processes
)

// FleetReport is what a process said of itself.
type FleetReport struct {
	Stored time.Time // by the server's clock, which is one for all processes
	Text   []byte
}

// StoreFleetReport keeps what a process says of itself. It does not wait for a
// server that is away.
func (q *Queue) StoreFleetReport(ctx context.Context, process string, report []byte) error {
	if !q.conn.IsConnected() {
		return fmt.Errorf("store a report of %s: %w", process, nats.ErrDisconnected)
	}
	_, err := q.js.Publish(ctx, "tocsin.fleet."+process, report)
	return wrap(err, "store a report of %s", process)
}

// FleetReports reads what was reported since, oldest first, as many reports as
// there are when it begins.
func (q *Queue) FleetReports(ctx context.Context, since time.Time) iter.Seq2[FleetReport, error] {
	return func(yield func(FleetReport, error) bool) {
		err := q.each(ctx, place{stream: FleetStream, subject: fleetSubjects, since: since}, func(msg *jetstream.RawStreamMsg) bool {
			return yield(FleetReport{Stored: msg.Time, Text: msg.Data}, nil)
		})
		if err != nil {
			yield(FleetReport{}, fmt.Errorf("read the fleet's reports: %w", err))
		}
	}
}
