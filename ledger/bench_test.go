package ledger_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/ledger"
	"tocsin/schema"
)

// BenchmarkAudit is what an audit takes for each delivery: its plan and its end.
func BenchmarkAudit(b *testing.B) {
	const deliveries = 100_000
	sample, err := schema.Sample("job.fail")
	require.NoError(b, err)
	sample.Source = "/platform/deployer"
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		a := ledger.NewAudit()
		for i := range deliveries {
			e := sample
			e.ID, e.Account = fmt.Sprint("event-", i), fmt.Sprint("account-", i%1000)
			d := schema.Delivery{Event: e, User: fmt.Sprint("user-", i%1000), Channel: "webhook", Target: "main", Planned: time.Now()}
			plan := schema.PlanOf(d, "Stack Harbour was redeployed")
			plan.Skipped = []schema.Skipped{{Channel: "email", Rule: schema.RuleChosenOff}, {Channel: "ios", Rule: schema.RuleNotSetUp}}
			a.Add(plan.Record())
			a.Add(d.Record(schema.RecordDelivered, time.Now()))
		}
		require.Equal(b, deliveries, a.Result().Delivered)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/deliveries, "B/delivery")
		runtime.KeepAlive(a)
	}
}
