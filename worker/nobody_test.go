package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
)

// An event that reaches nobody is not lost in silence: also after Redis has
// forgotten everybody, an operator can see which events to route again.
func TestEventThatReachesNobodyIsInTheLedger(t *testing.T) {
	t.Parallel()
	f := newFleet(t, quick())
	f.publish("empty", func(e *schema.Event) { e.Account = "empty" })
	f.publish("stranger", func(e *schema.Event) { e.User = "eve" })
	for account, want := range map[string]schema.Record{
		"empty": {User: schema.Nobody, Event: "empty", Skipped: []schema.Skipped{{Channel: "webhook", Rule: schema.RuleNoMembers}}},
		"acme":  {User: "eve", Event: "stranger", Skipped: []schema.Skipped{{Channel: "webhook", Rule: schema.RuleNotMember}}},
	} {
		var got schema.Record
		require.Eventually(t, func() bool {
			for r, err := range f.queue.Ledger(t.Context(), queue.LedgerQuery{Account: account, User: want.User}) {
				require.NoError(t, err)
				got = r
			}
			return got.Kind != ""
		}, 20*time.Second, 20*time.Millisecond, account)
		require.Equal(t, schema.RecordPlanned, got.Kind)
		require.Equal(t, want.Event, got.Event)
		require.Equal(t, want.User, got.User)
		require.Equal(t, want.Skipped, got.Skipped)
		require.Empty(t, got.Deliveries)
		require.NotEmpty(t, got.Summary)
	}
	f.quiet()
}
