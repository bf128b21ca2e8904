package prefs_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
	"tocsin/servertest"
)

// BenchmarkRecipients reads and plans accounts of several sizes.
func BenchmarkRecipients(b *testing.B) {
	f := newFixture(b, servertest.Redis(b))
	for _, members := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			account := fmt.Sprint("acme", members)
			crowd(b, f.redis, account, members)
			e := schema.Event{Type: "job.fail", Account: account}
			for b.Loop() {
				planned := 0
				for chunk, err := range f.Recipients(b.Context(), account, "") {
					require.NoError(b, err)
					planned += len(deliveries(prefs.Plan(e, chunk, []string{"email"}, noon)))
				}
				require.Equal(b, members, planned)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*members), "µs/recipient")
		})
	}
}

// BenchmarkResolve is what each attempt pays, alone and with many at a time.
func BenchmarkResolve(b *testing.B) {
	f := newFixture(b, servertest.Redis(b))
	f.person(b, "ada", "acme")
	require.NoError(b, f.PutTarget(b.Context(), "ada", hook, []byte(hookSettings)))
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			_, err := f.Resolve(b.Context(), delivery("job.fail"))
			require.NoError(b, err)
		}
	})
	b.Run("64 at a time", func(b *testing.B) {
		b.SetParallelism(32) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := f.Resolve(b.Context(), delivery("job.fail")); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkPlan decides for 100 members, without Redis.
func BenchmarkPlan(b *testing.B) {
	recipients := make([]prefs.Recipient, 100)
	for i := range recipients {
		recipients[i] = prefs.Recipient{User: fmt.Sprint("user", i), Targets: []prefs.TargetRef{hook, {Channel: "email", ID: "main"}}}
	}
	e := schema.Event{Source: "/bench", ID: "1", Type: "job.fail", Account: "acme"}
	b.ReportAllocs()
	for b.Loop() {
		planned := prefs.Plan(e, recipients, []string{"email", "webhook"}, noon)
		if len(planned) != len(recipients) {
			b.Fatal(len(planned))
		}
	}
}
