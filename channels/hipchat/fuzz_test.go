package hipchat

import (
	"encoding/json"
	"net/http"
	"slices"
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
