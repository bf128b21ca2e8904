package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/schema"
)

// Redis that lost everything knows of no member and no target. Nothing is sent
// on a guess; the ledger names each event that reached nobody, and what waited
// is suppressed with the reason. Once the people are back, so is everything.
func TestRedisThatLostEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t, *seed, parts{})
	s.startWorker()
	s.load = s.begin(20)
	s.await(s.load, 20)
	s.changeMind()
	s.load.end()
	s.settle()
	before := s.far.log.Last()

	s.redis.Stop()
	s.redis.Forget()
	s.redis.Start()
	s.load.one(accountName(2))
	s.settle()
	require.Equal(t, before, s.far.log.Last(), "nothing is sent")
	record := s.planOf("one-for-"+accountName(2), schema.Nobody)
	require.Empty(t, record.Deliveries)
	require.Len(t, record.Skipped, len(offered))
	require.Equal(t, schema.RuleNoMembers, record.Skipped[0].Rule)
	require.Equal(t, 1, s.audit().Nobody)
	require.Contains(t, s.workers[0].Said(), "nobody is told of an event")

	require.NoError(t, s.directory().Save(t.Context(), s.store))
	s.load.one(accountName(3))
	s.settle()
	require.Len(t, s.planOf("one-for-"+accountName(3), accountName(3)+"-steady").Deliveries, 2)
	require.Greater(t, s.far.log.Last(), before)
}

// planOf is what was planned of an event for a user.
func (s *site) planOf(event, user string) (found schema.Record) {
	s.t.Helper()
	for r, err := range s.queue.Ledger(s.t.Context(), queue.LedgerQuery{Since: time.Now().Add(-time.Hour)}) {
		require.NoError(s.t, err)
		if r.Kind == schema.RecordPlanned && r.Event == event && r.User == user {
			found = r
		}
	}
	require.NotEmpty(s.t, found.Event, "nothing was planned of %s for %s", event, user)
	return found
}
