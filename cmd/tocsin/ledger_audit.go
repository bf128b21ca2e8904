package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

type ledgerAuditCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	Range  ledgerRange `embed:"" group:"Which"`
	Mend   bool        `help:"Take what is stuck out of its queue, and hand out again what nothing has become of."`
}

// Help stands below the summary in --help.
func (c *ledgerAuditCmd) Help() string {
	return `Counts every delivery that was planned in the time, and sees that each was delivered, suppressed, is a dead letter,
or waits in a queue. Exits 1 if one is missing, and names it. Deliveries that arrived more than once are named too: at
least once is the promise, and this is how often it was more. Stuck is what a NATS server that was killed has left in a
queue although it was acknowledged: it is never handed out again, and --mend takes it away. What is missing can be sent
by 'tocsin events again'. Takes about 300 bytes of memory a delivery.`
}

func (c *ledgerAuditCmd) Run(ctx context.Context, std stdio) error {
	query, err := c.Range.query()
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	a, err := auditLedger(ctx, q, query)
	if err == nil && c.Mend {
		err = audited(ctx, q, "ledger.mend", "what is stuck in a queue", "", func() error { return mend(ctx, q, a, std) })
	}
	if err != nil {
		return err
	}
	result := a.Result()
	if c.Output.json() {
		err = writeJSON(std.out, result)
	} else {
		err = writeAudit(std.out, result)
	}
	if err == nil && len(result.Missing) > 0 {
		err = fmt.Errorf("missing deliveries: %d", len(result.Missing))
	}
	return err
}

// looks is how often the audit looks for a delivery. One that is moved from queue
// to queue between two looks at both can be missed once, hardly again.
const looks = 3

// overlap is how far a further look at the ledger goes back before the one
// before it: the clocks of two machines differ.
const overlap = time.Minute

// auditLedger follows each delivery that was planned within the time to where it is
// now.
func auditLedger(ctx context.Context, q *queue.Queue, query queue.LedgerQuery) (*ledger.Audit, error) {
	a := ledger.NewAudit()
	planned := query.Until
	if planned.IsZero() {
		planned = time.Now()
	}
	query.Until = time.Time{}
	for range looks {
		begun := time.Now()
		if err := look(ctx, q, query, planned, a); err != nil {
			return nil, err
		}
		if len(a.Result().Missing) == 0 {
			break
		}
		query.Since = begun.Add(-overlap)
	}
	return a, nil
}

// look tells the audit what there is: first what waits, and then the ledger,
// because a delivery goes from the one to the other.
func look(ctx context.Context, q *queue.Queue, query queue.LedgerQuery, planned time.Time, a *ledger.Audit) error {
	routed, err := q.Routed(ctx)
	if err != nil {
		return err
	}
	a.Routed(routed)
	for d, err := range q.Queued(ctx) {
		switch {
		case err != nil:
			return err
		case d.Stuck:
			a.Stuck(d.ID())
		default:
			a.Waits(d.ID())
		}
	}
	for r, err := range q.Ledger(ctx, query) {
		if err != nil {
			return err
		}
		if r.Kind != schema.RecordPlanned || r.At.Before(planned) {
			a.Add(r)
		}
	}
	return nil
}

// mend takes away what is stuck. What the audit knows nothing of stays: it was
// planned before the time that is audited.
func mend(ctx context.Context, q *queue.Queue, a *ledger.Audit, std stdio) error {
	removed, again := 0, 0
	for d, err := range q.Queued(ctx) {
		if err != nil {
			return err
		}
		needs, known := a.Needs(d.ID())
		if !d.Stuck || !known {
			continue
		}
		if err := q.Unstick(ctx, d, needs); err != nil {
			return err
		}
		if removed++; needs {
			again++
			a.Waits(d.ID())
		}
	}
	fmt.Fprintf(std.err, "mended: %d taken out of their queue; %d of these are handed out again\n", removed, again)
	return nil
}

// listedLosses bounds the table; -o json names every one.
const listedLosses = 100

func writeAudit(out io.Writer, r ledger.Result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range []struct {
		name  string
		count int
	}{
		{"planned", r.Planned}, {"delivered", r.Delivered}, {"suppressed", r.Suppressed}, {"dead", r.Dead},
		{"waiting", r.Waiting}, {"missing", len(r.Missing)}, {"arrived more than once", len(r.Double)},
		{"stuck in a queue", r.Stuck},
		{"events of accounts without members", r.Nobody},
	} {
		fmt.Fprintf(table, "%d\t %s\n", line.count, line.name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := writeLosses(out, "missing", r.Missing); err != nil {
		return err
	}
	return writeLosses(out, "arrived more than once", r.Double)
}

func writeLosses(out io.Writer, what string, losses []ledger.Loss) error {
	if len(losses) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s:\n", what)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DELIVERY\tSOURCE\tEVENT\tACCOUNT\tUSER\tCHANNEL\tTARGET\tTIMES")
	for _, l := range losses[:min(len(losses), listedLosses)] {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", printable(l.Delivery), clip(l.Source, widestReason), clip(l.Event, widestReason),
			printable(l.Account), printable(l.User), printable(l.Channel), clip(l.Target, widestID), l.Times)
	}
	if more := len(losses) - listedLosses; more > 0 {
		fmt.Fprintf(table, "… and %d more: -o json\n", more)
	}
	return table.Flush()
}
