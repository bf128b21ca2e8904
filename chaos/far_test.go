package chaos

import (
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// farEnds are where deliveries end, and what they say to them. They are never
// killed: their records are what the judge believes.
type farEnds struct {
	seed  uint64
	log   farend.Log
	hook  *farend.Hook
	apns  *farend.APNs
	inbox *farend.Inbox
	keys  farend.APNsCredentials

	mu      sync.Mutex
	seen    map[string]int // webhook requests, by delivery
	trouble *farend.HookAnswer
	calm    bool
}

func newFarEnds(t *testing.T, seed uint64) *farEnds {
	t.Helper()
	f := &farEnds{seed: seed, seen: map[string]int{}}
	var err error
	f.hook, err = farend.NewHook(&f.log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.hook.Close() })
	f.hook.Decide(f.answer)
	f.apns, err = farend.NewAPNs(&f.log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.apns.Close() })
	f.keys, err = f.apns.WriteCredentials(t.TempDir())
	require.NoError(t, err)
	f.inbox, err = farend.NewInbox(&f.log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.inbox.Close() })
	return f
}

func (f *farEnds) addresses() map[string]string {
	return map[string]string{
		"webhook": host(f.hook.URL()), "ios": host(f.apns.URL()), "email": f.inbox.Addr(),
	}
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// troubled makes every webhook answer like this; nil ends it.
func (f *farEnds) troubled(by *farend.HookAnswer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = by
}

// becalm ends the days on which endpoints fail now and then: a breaker that is
// recovering opens for longer after every failure.
func (f *farEnds) becalm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calm = true
}

// answer is what an endpoint says, by the kind that its path begins with.
func (f *farEnds) answer(r farend.Received) farend.HookAnswer {
	f.mu.Lock()
	f.seen[r.Delivery]++
	times, trouble, calm := f.seen[r.Delivery], f.trouble, f.calm
	f.mu.Unlock()
	if trouble != nil {
		return *trouble
	}
	answer := farend.HookAnswer{Status: http.StatusOK, Delay: 20 * time.Millisecond}
	switch {
	case strings.HasPrefix(r.To, "/flaky/") && times == 1 && !calm && f.oneIn(8, r.Delivery):
		answer.Status = http.StatusServiceUnavailable
	case strings.HasPrefix(r.To, "/refusing/") && f.oneIn(2, r.Delivery):
		answer.Status = http.StatusNotFound
	case strings.HasPrefix(r.To, "/down/"):
		answer.Status = http.StatusServiceUnavailable
	}
	return answer
}

// oneIn chooses one in n deliveries, the same ones for a seed.
func (f *farEnds) oneIn(n uint64, delivery string) bool {
	h := fnv.New64a()
	h.Write([]byte(delivery))
	return (h.Sum64()>>16^f.seed)%n == 0
}

// received is when each delivery came, whatever became of it.
func (f *farEnds) received() map[string][]time.Time {
	times := map[string][]time.Time{}
	all, _ := f.log.Since(0)
	for _, r := range all {
		times[r.Delivery] = append(times[r.Delivery], r.At)
	}
	return times
}

// accepted counts what far ends have accepted, by delivery, and when each was
// accepted first.
func (f *farEnds) accepted() (times map[string]int, first map[string]time.Time) {
	times, first = map[string]int{}, map[string]time.Time{}
	received, _ := f.log.Since(0)
	for _, r := range received {
		if r.Status != "200" && r.Status != "250" {
			continue
		}
		times[r.Delivery]++
		if _, seen := first[r.Delivery]; !seen {
			first[r.Delivery] = r.At
		}
	}
	return times, first
}
