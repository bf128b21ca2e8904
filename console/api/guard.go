package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// longestBody bounds what a request may hold, in bytes. The longest that there
// is, a client certificate with its chain, has half of that.
const longestBody = 64 << 10

// guard lets in who shows a key, and no more than they may ask, before anything
// of a body is read.
func (a *API) guard(calls *http.ServeMux) http.Handler {
	limits := make([]*rate.Limiter, a.Keys.ring.Len())
	for i := range limits {
		limits[i] = rate.NewLimiter(limitOf(a.Rate), max(a.Rate, 1))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if len(limits) == 0 {
			answer(w, problemOf(http.StatusForbidden, "this installation has no keys for its API: its operator sets them in TOCSIN_API_KEYS"))
			return
		}
		key := a.Keys.ring.Find(bearer(r))
		if key < 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin"`) // RFC 6750 section 3
			answer(w, problemOf(http.StatusUnauthorized, "send Authorization: Bearer and one of the keys in TOCSIN_API_KEYS"))
			return
		}
		if wait := wait(limits[key]); wait > 0 {
			setRetryAfter(w.Header(), wait)
			answer(w, problemOf(http.StatusTooManyRequests, "this key asks more often than "+strconv.Itoa(a.Rate)+" times a second"))
			return
		}
		if r.ContentLength > longestBody {
			w.Header().Set("Connection", "close") // the rest is not read
			answer(w, problemOf(http.StatusRequestEntityTooLarge, "the body has more than 64 KiB"))
			return
		}
		if _, pattern := calls.Handler(r); pattern == "" {
			unknown(w, r, calls)
			return
		}
		calls.ServeHTTP(w, calledBy(r, a.Keys.ring.Mark(key)))
	})
}

func limitOf(perSecond int) rate.Limit {
	if perSecond <= 0 {
		return rate.Inf
	}
	return rate.Limit(perSecond)
}

// wait is for how long a key has to wait, 0 if it need not. What is refused does
// not count.
func wait(l *rate.Limiter) time.Duration {
	reservation := l.Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel()
	}
	return wait
}

// bearer is the key of RFC 6750 section 2.1; the scheme's case does not count
// (RFC 9110 section 11.1).
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// unknown answers for the mux, which would do so in plain text.
func unknown(w http.ResponseWriter, r *http.Request, calls *http.ServeMux) {
	said := &said{header: http.Header{}}
	calls.ServeHTTP(said, r)
	if said.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", said.header.Get("Allow"))
		answer(w, problemOf(http.StatusMethodNotAllowed, "there is no "+r.Method+" of this; there is "+said.header.Get("Allow")))
		return
	}
	answer(w, problemOf(http.StatusNotFound, "there is no such call; /docs lists them"))
}

// said is an answer that nobody gets.
type said struct {
	header http.Header
	status int
}

func (s *said) Header() http.Header         { return s.header }
func (s *said) WriteHeader(status int)      { s.status = status }
func (s *said) Write(b []byte) (int, error) { return len(b), nil }
