package ops

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// burst wrong keys may come from an address at once, and one more after each
	// interval. Keys have 128 bits or more: this keeps the log readable and the
	// process idle, rather than guessers out.
	burst    = 10
	interval = 6 * time.Second
	// manyAddresses is how many are remembered before old ones are looked for.
	manyAddresses = 10_000
)

// tries counts wrong keys by the address that they come from. Right ones are
// free.
type tries struct {
	mu     sync.Mutex
	wrong  map[string]*rate.Limiter
	others *rate.Limiter // of addresses that there is no room for
}

func newTries() *tries {
	return &tries{wrong: map[string]*rate.Limiter{}, others: newLimiter()}
}

func newLimiter() *rate.Limiter { return rate.NewLimiter(rate.Every(interval), burst) }

// may reports whether an address may show a key.
func (t *tries) may(from string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter, known := t.wrong[from]
	if !known && len(t.wrong) >= manyAddresses {
		limiter, known = t.others, true
	}
	return !known || limiter.Tokens() >= 1
}

func (t *tries) failed(from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.wrong[from]
	if limiter == nil {
		if len(t.wrong) >= manyAddresses {
			maps.DeleteFunc(t.wrong, func(_ string, l *rate.Limiter) bool { return l.Tokens() >= burst })
		}
		if limiter = t.others; len(t.wrong) < manyAddresses {
			limiter = newLimiter()
			t.wrong[from] = limiter
		}
	}
	limiter.Allow()
}

// addressOf is where a request comes from; of IPv6 the network, of which one
// customer has 2⁶⁴ addresses (RFC 6177). Behind a proxy it is the proxy's.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if address = address.Unmap(); address.Is4() {
		return address.String()
	}
	network, err := address.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}
