package httpfail

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/channels"
)

// LongestWait is the most that a far end may ask us to wait: a day, after
// which most deliveries are of no use.
const LongestWait = 24 * time.Hour

// Answer is the failure that an answer other than success means. who is named in
// the reason: "endpoint", "HipChat".
func Answer(who string, code int, h http.Header) *channels.Failure {
	said := strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
	f := &channels.Failure{
		Kind:   channels.Permanent,
		Status: strconv.Itoa(code),
		Err:    fmt.Errorf("%s answered %s", who, said),
	}
	if retriable(code) {
		f.Kind = channels.Temporary
		f.Wait = RetryAfter(h, time.Now())
	}
	return f
}

// retriable are the answers that speak of this moment and not of the request:
// RFC 9110 section 15.5.9 (408), RFC 8470 section 5.2 (425), RFC 6585 section
// 4 (429) and every server error.
func retriable(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return code >= 500
}

// RetryAfter reads how long the far end asks to be left alone: RFC 9110
// section 10.2.3, whole seconds or a date in any of the three HTTP forms. What
// is malformed, negative or past counts as no wish; nothing above LongestWait
// is granted.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(value); err == nil {
		return Until(at, now)
	}
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds > int(LongestWait/time.Second) {
		return LongestWait // digits alone that do not fit are a very long time
	}
	return time.Duration(seconds) * time.Second
}

// Until is the wait from now until at, none if that is past and never above
// LongestWait.
func Until(at, now time.Time) time.Duration {
	return min(max(at.Sub(now), 0), LongestWait)
}
