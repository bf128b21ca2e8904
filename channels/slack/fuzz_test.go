package slack

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/channels/outbound"
)

// Whatever a server answers, only words that we know are repeated of it.
func FuzzOutcome(f *testing.F) {
	f.Add(404, []byte("no_service"), "")
	f.Add(429, []byte(`{"retry_after":1.5}`), "3")
	f.Add(400, []byte(`{"id":"web.incoming_webhook.parse.app_error","message":"x"}`), "soon")
	f.Add(200, []byte("ok"), "")
	f.Fuzz(func(t *testing.T, status int, body []byte, wait string) {
		answer := &outbound.Answer{Status: status, Header: http.Header{"Retry-After": {wait}}, Body: body}
		err := outcome(answer, time.Now())
		if status/100 == 2 {
			require.NoError(t, err)
			return
		}
		failure := channels.FailureOf(err)
		require.Equal(t, failure.Kind == channels.Gone, !failure.Since.IsZero())
		require.LessOrEqual(t, failure.Wait, httpfail.LongestWait)
		require.GreaterOrEqual(t, failure.Wait, time.Duration(0))
		if _, word, said := strings.Cut(failure.Status, " "); said {
			require.True(t, slices.Contains(words, word), word)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"url":"https://hooks.slack.com/services/T/B/X"}`))
	f.Add([]byte(`{"url":7}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		where, err := parseSettings(raw)
		require.Equal(t, err == nil, check(raw) == nil)
		if err == nil {
			require.NotEmpty(t, where.Hostname())
		} else {
			require.NotContains(t, err.Error(), "\n")
		}
	})
}
