package hipchat

import (
	"net/http"
	"strconv"
	"time"

	"tocsin/channels/httpfail"
)

// untilReset is the wait until every limit begins anew of which nothing
// remains, as far as the answer says. A token has X-RateLimit-, in API v2 a
// room also X-FloodControl-; Reset is in Unix seconds of the server, whose own
// clock the answer's Date tells.
func untilReset(h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	var wait time.Duration
	for _, limit := range [...]string{"X-RateLimit-", "X-FloodControl-"} {
		if remaining := h.Get(limit + "Remaining"); remaining != "0" && remaining != "" {
			continue
		}
		if seconds, err := strconv.ParseInt(h.Get(limit+"Reset"), 10, 64); err == nil {
			wait = max(wait, httpfail.Until(time.Unix(seconds, 0), now))
		}
	}
	return wait
}
