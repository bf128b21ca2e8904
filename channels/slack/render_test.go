package slack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/schema"
)

func TestRender(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(render(channels.Notice{
		Title: "Redeploy of R&D <main> failed", Outcome: schema.Bad, Resource: "R&D <main>", Link: "https://app.example.com/?a=1&b=2",
		Facts: []channels.Fact{{Label: "Branch", Value: "a<b"}, {Label: "Status", Value: "Failed"}},
	}, nil))
	require.NoError(t, err)
	require.JSONEq(t, `{
		"text": "Redeploy of R&amp;D &lt;main&gt; failed",
		"mrkdwn": false,
		"attachments": [{
			"fallback": "Redeploy of R&amp;D &lt;main&gt; failed",
			"color": "#c62828",
			"title": "R&amp;D &lt;main&gt;",
			"title_link": "https://app.example.com/?a=1&b=2",
			"fields": [
				{"title": "Branch", "value": "a&lt;b", "short": true},
				{"title": "Status", "value": "Failed", "short": true}
			],
			"mrkdwn_in": []
		}]
	}`, string(encoded))
}

func TestRenderWithoutName(t *testing.T) {
	t.Parallel()
	card := render(channels.Notice{Title: "Server is back", Outcome: schema.Good, Link: "https://app.example.com/"}, nil).Attachments[0]
	require.Equal(t, "Open", card.Title)
	require.Equal(t, "#2e7d32", card.Color)
	card = render(channels.Notice{Title: "Deployment started"}, nil).Attachments[0]
	require.Empty(t, card.Title)
	require.Equal(t, "#f9a825", card.Color)
}

func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<!channel> & <@U1>":            "&lt;!channel&gt; &amp; &lt;@U1&gt;",
		"@here @Everyone @channel @all": "@\u200bhere @\u200bEveryone @\u200bchannel @\u200ball",
		"ada@example.com @hereafter":    "ada@example.com @hereafter",
		`"quotes" *stay*`:               `"quotes" *stay*`,
		strings.Repeat("&", 30):         strings.Repeat("&amp;", 19) + "…",
		strings.Repeat("ü", 100):        strings.Repeat("ü", 48) + "…",
	} {
		require.Equal(t, want, escape(text, 100), text)
	}
}

func TestRenderLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	var facts []channels.Fact
	for range 30 {
		facts = append(facts, channels.Fact{Label: "Long", Value: strings.Repeat("&", 2000)})
	}
	facts = append(facts, channels.Fact{Label: "Short", Value: "kept"})
	card := render(channels.Notice{Facts: facts}, nil).Attachments[0]
	require.Len(t, card.Fields, 6)
	require.Equal(t, "kept", card.Fields[5].Value)
}

func TestRenderMentionsOthers(t *testing.T) {
	t.Parallel()
	m := render(channels.Notice{Title: "Server web-1 is back", Outcome: schema.Good}, []channels.Brief{
		{Text: "Process <web> is down", Outcome: schema.Bad, Time: time.Date(2026, 8, 6, 8, 49, 0, 0, time.UTC)},
		{Text: "Job nightly succeeded again", Outcome: schema.Good},
	})
	require.Equal(t, "Server web-1 is back – and 2 more, since this channel takes only so many messages", m.Text)
	require.Len(t, m.Attachments, 2)
	require.Equal(t, "#2e7d32", m.Attachments[0].Color)
	require.Equal(t, "#c62828", m.Attachments[1].Color, "one that is bad makes it so")
	require.Equal(t, "• 08:49 UTC Process &lt;web&gt; is down\n• Job nightly succeeded again", m.Attachments[1].Text)
}

// FuzzRender: whatever the platform calls its things, the message is within
// the limits of all three servers and holds no markup.
func FuzzRender(f *testing.F) {
	f.Add("stack.redeploy.fail", "Ledger", "https://app.example.com/", []byte(`{"environment":"<!here>"}`), 0)
	f.Add("process.down", "@everyone <@U1|x> &amp;", "https://h/?<>", []byte(`{"server":{"name":"&&&"},"process_name":"\u202e"}`), 40)
	f.Add("", "\xff", "", []byte(`null`), 1)
	f.Fuzz(func(t *testing.T, kind, name, link string, data []byte, others int) {
		e := schema.Event{Type: kind, ResourceName: name, StackName: name, Link: link, Data: data}
		brief := channels.Brief{Text: channels.Line(e), Outcome: schema.Bad, Time: time.Unix(0, 0)}
		also := slices.Repeat([]channels.Brief{brief}, min(max(others, 0), channels.MostBriefs))
		m := render(channels.Describe(e), also)
		card := m.Attachments[0]
		require.NotEmpty(t, m.Text)
		require.LessOrEqual(t, utf8.RuneCountInString(m.Text), longestText)
		require.LessOrEqual(t, utf8.RuneCountInString(card.Title), longestTitle)
		texts, total := []string{m.Text, card.Title, card.Fallback}, utf8.RuneCountInString(card.Title)
		if len(also) > 0 {
			listed := m.Attachments[1].Text
			require.Len(t, strings.Split(listed, "\n"), len(also), "a line for each")
			require.LessOrEqual(t, utf8.RuneCountInString(listed), longestList)
			texts, total = append(texts, listed), total+utf8.RuneCountInString(listed)
		}
		for _, f := range card.Fields {
			require.NotEmpty(t, f.Value)
			require.LessOrEqual(t, utf8.RuneCountInString(f.Value), longestValue)
			texts = append(texts, f.Title, f.Value)
			total += utf8.RuneCountInString(f.Title + f.Value)
		}
		require.LessOrEqual(t, total, longestCard)
		require.LessOrEqual(t, len(card.Fields), mostFields)
		for _, text := range texts {
			require.True(t, utf8.ValidString(text))
			require.False(t, strings.ContainsAny(text, "<>"), text)
			require.NotRegexp(t, `(?i)@(all|channel|everyone|here)\b`, text)
		}
		_, err := json.Marshal(m)
		require.NoError(t, err)
	})
}
