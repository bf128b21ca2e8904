package httpfail_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels/httpfail"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 6, 8, 49, 37, 0, time.UTC) // a Thursday
	for value, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"120":                              2 * time.Minute,
		" 120 ":                            2 * time.Minute,
		"86400":                            24 * time.Hour,
		"86401":                            24 * time.Hour,
		"99999999999999999999999":          24 * time.Hour,
		"-1":                               0,
		"+1":                               0,
		"1.5":                              0,
		"1e3":                              0,
		"soon":                             0,
		"Thu, 06 Aug 2026 08:50:37 GMT":    time.Minute, // IMF-fixdate
		"Thursday, 06-Aug-26 08:50:37 GMT": time.Minute, // RFC 850
		"Thu Aug  6 08:50:37 2026":         time.Minute, // asctime
		"Thu, 06 Aug 2026 08:48:37 GMT":    0,
		"Fri, 06 Aug 2060 08:48:37 GMT":    24 * time.Hour,
		"2026-08-06T08:50:37Z":             0,
	} {
		require.Equal(t, want, httpfail.RetryAfter(http.Header{"Retry-After": {value}}, now), "%q", value)
	}
	require.Zero(t, httpfail.RetryAfter(http.Header{}, now))
}

// FuzzRetryAfter: no value makes a wait that is negative or without end.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "-1", " 7 ", "1e9", "99999999999999999999", "Thu, 06 Aug 2026 08:50:37 GMT", "Thu Aug  6 08:50:37 2026", "\x00"} {
		f.Add(seed)
	}
	now := time.Date(2026, 8, 6, 8, 49, 37, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait := httpfail.RetryAfter(http.Header{"Retry-After": {value}}, now)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, httpfail.LongestWait)
		require.Zero(t, wait%time.Second)
	})
}
