package hipchat

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/channels/httpfail"
	"tocsin/schema"
)

// Whatever the platform calls its things, the message is one that both API
// versions take.
func FuzzMessage(f *testing.F) {
	f.Add("Ledger", "https://app.example.com/", 0)
	f.Fuzz(func(t *testing.T, name, link string, others int) {
		data, err := json.Marshal(map[string]string{"name": name, "git_branch": name, "stack_name": name, "process_name": name})
		require.NoError(t, err)
		d := schema.Delivery{Event: schema.Event{Type: "process.down", Link: link, Data: data}}
		brief := channels.Brief{Text: channels.Line(d.Event), Outcome: schema.Bad, Time: time.Unix(0, 0)}
		also := slices.Repeat([]channels.Brief{brief}, min(max(others, 0), channels.MostBriefs))
		p := newPosting(d, also)
		require.True(t, utf8.ValidString(p.Message))
		require.NotEmpty(t, p.Message)
		require.LessOrEqual(t, utf8.RuneCountInString(p.Message), longestMessage)
		requireWellFormed(t, p.Message)
		require.Equal(t, len(also) == 0, p.Card != nil)
		if p.Card != nil {
			require.NotEmpty(t, p.Card.Title)
			require.NotEmpty(t, p.Card.Description.Value)
		}
	})
}

// Whatever a server answers, its text is not repeated.
func FuzzOutcome(f *testing.F) {
	f.Add(200, []byte(`{"status":"sent"}`), false)
	f.Add(403, []byte(`{"error":{"code":403,"message":"Rate limit exceeded CANARY"}}`), true)
	f.Add(401, []byte(`{"error":{"code":401,"message":"CANARY"}}`), false)
	f.Add(404, []byte(`<html>CANARY`), true)
	f.Add(204, []byte(nil), true)
	f.Fuzz(func(t *testing.T, status int, body []byte, v2 bool) {
		s := Settings{APIVersion: map[bool]string{true: "2", false: "1"}[v2]}
		err := outcome(s, answer{status, http.Header{}, append(body, "CANARY"...)}, time.Now())
		if err == nil {
			require.Contains(t, []int{200, 204}, status)
			return
		}
		failure := channels.FailureOf(err)
		require.Equal(t, failure.Kind == channels.Gone, !failure.Since.IsZero())
		require.NotContains(t, failure.Error(), "CANARY")
		require.NotContains(t, failure.Error(), "\n")
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"token":"CANARY t","room":"Ops","api_version":"2"}`))
	f.Add([]byte(`{"token":"t","room":".."}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseSettings(raw)
		require.Equal(t, err == nil, check(raw) == nil)
		if err != nil {
			require.NotContains(t, err.Error(), "CANARY")
			return
		}
		base, err := url.Parse("https://chat.example.com/base")
		require.NoError(t, err)
		req, err := (&channel{base: base}).request(t.Context(), s, posting{From: sender})
		require.NoError(t, err, "what passes makes a request")
		require.Equal(t, "chat.example.com", req.URL.Host)
		require.True(t, strings.HasPrefix(req.URL.EscapedPath(), "/base/v"), req.URL.EscapedPath())
	})
}

// Whatever the headers hold, the wait is none or one that can be kept.
func FuzzUntilReset(f *testing.F) {
	f.Add("0", "1786005000", "0", "1786006000", "")
	f.Fuzz(func(t *testing.T, remaining, reset, floodRemaining, floodReset, date string) {
		h := http.Header{}
		for name, value := range map[string]string{
			"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset,
			"X-FloodControl-Remaining": floodRemaining, "X-FloodControl-Reset": floodReset, "Date": date,
		} {
			h.Set(name, value)
		}
		wait := untilReset(h, time.Unix(1786004977, 0))
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, httpfail.LongestWait)
		if remaining != "0" && remaining != "" && floodRemaining != "0" && floodRemaining != "" {
			require.Zero(t, wait, "something is left of every limit")
		}
	})
}

func TestResetGoesByTheServersClock(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	h.Set("Date", "Thu, 06 Aug 2026 08:49:37 GMT")
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", "1786006237") // a minute later
	require.Equal(t, time.Minute, untilReset(h, time.Unix(0, 0)))
	h.Set("X-FloodControl-Remaining", "0")
	h.Set("X-FloodControl-Reset", "1786006297")
	require.Equal(t, 2*time.Minute, untilReset(h, time.Unix(0, 0)), "the limit that lasts longest")
	h.Set("X-FloodControl-Remaining", "1")
	require.Equal(t, time.Minute, untilReset(h, time.Unix(0, 0)))
}
