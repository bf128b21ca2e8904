package farend

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func startSlack(t *testing.T) (*Slack, *Log) {
	t.Helper()
	log := &Log{}
	slack, err := NewSlack(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, slack.Close()) })
	return slack, log
}

func said(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

func TestSlackRecords(t *testing.T) {
	t.Parallel()
	slack, log := startSlack(t)
	resp := post(t, slack.URL()+SlackHook, "application/json",
		`{"text":"R&amp;D failed","attachments":[{"fallback":"x","color":"#c62828","title":"R&amp;D","fields":[{"title":"Branch","value":"a&lt;b"}]}]}`)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "ok", said(t, resp))
	received, _ := log.Since(0)
	require.Equal(t, "R&D failed", received[0].Title)
	require.Equal(t, "R&D failed\nR&D\nBranch: a<b", received[0].Text)
	require.Equal(t, SlackHook, received[0].To)
}

func TestSlackRefuses(t *testing.T) {
	t.Parallel()
	slack, _ := startSlack(t)
	attachment := func(members string) string { return `{"text":"x","attachments":[{"fallback":"x"` + members + `}]}` }
	for body, word := range map[string]string{
		`{`:                     "invalid_payload",
		`[]`:                    "invalid_payload",
		`{}`:                    "no_text",
		`{"text":"<!channel>"}`: "invalid_payload",
		`{"text":"R&D"}`:        "invalid_payload",
		`{"text":"` + strings.Repeat("x", 2001) + `"}`:            "invalid_payload",
		`{"attachments":[{"title":"x"}]}`:                         "invalid_attachments",
		attachment(`,"color":"red"`):                              "invalid_attachments",
		attachment(`,"title_link":"javascript:x"`):                "invalid_attachments",
		attachment(`,"fields":[{"title":"x"}]`):                   "invalid_attachments",
		attachment(`,"fields":[{"title":"<","value":"x"}]`):       "invalid_attachments",
		attachment(`,"title":"` + strings.Repeat("x", 257) + `"`): "invalid_attachments",
		`{"attachments":[{},{},{},{},{},{},{},{},{},{},{}]}`:      "too_many_attachments",
	} {
		resp := post(t, slack.URL()+SlackHook, "application/json", body)
		require.Equal(t, 400, resp.StatusCode, body)
		require.Equal(t, word, said(t, resp), body)
		require.Contains(t, said(t, post(t, slack.URL()+MattermostHook, "application/json", body)), "web.incoming_webhook.parse.app_error")
		require.Contains(t, said(t, post(t, slack.URL()+DiscordHook, "application/json", body)), "50035")
	}
	require.Equal(t, 400, post(t, slack.URL()+SlackHook, "text/plain", `{"text":"x"}`).StatusCode)
	resp, err := ask(t.Context(), http.MethodGet, slack.URL()+SlackHook, "", "")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 405, resp.StatusCode)
}

func TestSlackLimits(t *testing.T) {
	t.Parallel()
	slack, _ := startSlack(t)
	slack.Limit(1, time.Hour)
	for _, path := range []string{SlackHook, DiscordHook} {
		require.Equal(t, 200, post(t, slack.URL()+path, "application/json", `{"text":"x"}`).StatusCode)
		resp := post(t, slack.URL()+path, "application/json", `{"text":"x"}`)
		require.Equal(t, 429, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		require.Equal(t, path == DiscordHook, strings.Contains(said(t, resp), `"retry_after":`))
	}
}
