package worker

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Share is how many events of one account a router routes, and how many of its
// deliveries by one channel it sends, by the lane that is for all. What exceeds it goes by a lane of its own, so that
// the burst of one account waits for itself and not in front of others. An
// account that has exceeded it stays there until it has been quiet for a while,
// lest its later events overtake the earlier ones.
type Share struct {
	Burst int        // at once
	Rate  rate.Limit // a second, beyond that
	Quiet time.Duration

	mu       sync.Mutex
	accounts map[accountBy]*account
}

// NewShare allows 64 at once, and 64 a second. On two cores so many are over in a
// twentieth of a second, within which others notice little; by the other lane
// nobody is late either, unless others need what there is.
func NewShare() *Share { return &Share{Burst: 64, Rate: 64, Quiet: 5 * time.Second} }

type accountBy struct{ name, channel string }

type account struct {
	limit *rate.Limiter
	until time.Time // it stays in the crowd
}

// manyAccounts is how many are known before idle ones are forgotten.
const manyAccounts = 10_000

// Exceeds reports whether one more delivery of the account exceeds its share,
// and counts it. A nil Share is never exceeded.
func (s *Share) Exceeds(name, channel string, now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(accountBy{name, channel}, now)
	if within := a.limit.AllowN(now, 1); within && !now.Before(a.until) {
		return false
	}
	a.until = now.Add(s.Quiet)
	return true
}

func (s *Share) account(by accountBy, now time.Time) *account {
	if a, known := s.accounts[by]; known {
		return a
	}
	if len(s.accounts) >= manyAccounts {
		maps.DeleteFunc(s.accounts, func(_ accountBy, a *account) bool {
			return !now.Before(a.until) && a.limit.TokensAt(now) >= float64(s.Burst)
		})
	}
	if s.accounts == nil {
		s.accounts = make(map[accountBy]*account)
	}
	a := &account{limit: rate.NewLimiter(s.Rate, s.Burst)}
	s.accounts[by] = a
	return a
}
