package hipchat

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/schema"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	n := channels.Notice{Title: "Redeploy of Ledger failed", Facts: []channels.Fact{{Label: "Branch", Value: "main"}}}
	require.Equal(t, "<b>Redeploy of Ledger failed</b><br/>Branch: main", message(n, nil))
	n.Link = `https://app.example.com/"><script>`
	require.Equal(t, `<b>Redeploy of Ledger failed</b><br/>Branch: main<br/>`+
		`<a href="https://app.example.com/&#34;&gt;&lt;script&gt;">Open</a>`, message(n, nil))
}

func TestMessageLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("&", 1990) // 9,950 characters once escaped
	n := channels.Notice{Title: "T", Link: "https://app.example.com/", Facts: []channels.Fact{
		{Label: "Long", Value: long}, {Label: "Short", Value: "kept"},
	}}
	require.Equal(t, `<b>T</b><br/>Short: kept<br/><a href="https://app.example.com/">Open</a>`, message(n, nil))
	n.Link = "https://app.example.com/?" + long
	require.Equal(t, `<b>T</b><br/>Long: `+strings.Repeat("&amp;", 1990)+`<br/>Short: kept`, message(n, nil))
	require.LessOrEqual(t, len(message(n, nil)), longestMessage)
}

func TestMessageMentionsOthers(t *testing.T) {
	t.Parallel()
	n := channels.Notice{Title: "Server web-1 is back", Outcome: schema.Good}
	also := []channels.Brief{
		{Text: "Process <web> is down", Outcome: schema.Bad, Time: time.Date(2026, 8, 6, 8, 49, 0, 0, time.UTC)},
		{Text: "Job nightly failed", Outcome: schema.Bad},
	}
	require.Equal(t, "<b>Server web-1 is back</b><br/><br/><i>This room takes only so many messages. Also:</i>"+
		"<br/>• 08:49 UTC Process &lt;web&gt; is down<br/>• Job nightly failed", message(n, also))
}

// However long all texts are, every delivery has a line.
func TestMessageMentionsEveryOne(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("&", 300)
	n := channels.Notice{Title: long, Link: "https://app.example.com/?" + long, Facts: []channels.Fact{{Label: long, Value: long}}}
	also := slices.Repeat([]channels.Brief{{Text: long, Time: time.Unix(0, 0)}}, channels.MostBriefs)
	shown := message(n, also)
	require.LessOrEqual(t, len(shown), longestMessage)
	require.Equal(t, channels.MostBriefs, strings.Count(shown, "<br/>• 00:00 UTC &amp;&amp;&amp;"))
	requireWellFormed(t, shown)
}

func requireWellFormed(t *testing.T, message string) {
	t.Helper()
	for decoder := xml.NewDecoder(strings.NewReader("<m>" + message + "</m>")); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, "%q", message)
		if element, ok := token.(xml.StartElement); ok {
			require.Contains(t, []string{"m", "b", "i", "br", "a"}, element.Name.Local)
		}
	}
}

func TestWorstOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own  schema.Outcome
		also []schema.Outcome
		want schema.Outcome
	}{
		{schema.Good, nil, schema.Good},
		{schema.Good, []schema.Outcome{schema.Good, schema.Good}, schema.Good},
		{schema.Good, []schema.Outcome{schema.Neutral, schema.Good}, schema.Neutral},
		{schema.Neutral, []schema.Outcome{schema.Good}, schema.Neutral},
		{schema.Good, []schema.Outcome{schema.Bad, schema.Good, schema.Neutral}, schema.Bad},
		{schema.Bad, []schema.Outcome{schema.Good, schema.Neutral}, schema.Bad},
	} {
		var also []channels.Brief
		for _, o := range c.also {
			also = append(also, channels.Brief{Outcome: o})
		}
		require.Equal(t, c.want, worst(c.own, also), "%v", c)
	}
}

func TestCard(t *testing.T) {
	t.Parallel()
	n := channels.Notice{Title: strings.Repeat("é", 600), Outcome: schema.Bad, Link: "https://app.example.com/",
		Facts: []channels.Fact{{Label: "Branch", Value: "main"}, {Label: "Status", Value: "Failed"}}}
	c := newCard("id", "job.fail", n)
	require.Equal(t, 500, utf8.RuneCountInString(c.Title))
	require.Equal(t, text{"text", "Job run failed"}, c.Description)
	require.Equal(t, []attribute{
		{"Branch", attributeValue{Label: "main"}},
		{"Status", attributeValue{Label: "Failed", Style: "lozenge-error"}},
	}, c.Attributes)
	require.Equal(t, text{"text", "T"}, newCard("id", "unknown", channels.Notice{Title: "T"}).Description)
	require.Equal(t, []string{"lozenge-current", "lozenge-success", "lozenge-error"},
		[]string{lozenge(schema.Neutral), lozenge(schema.Good), lozenge(schema.Bad)})
}

func TestBackOnSaysHowLongItWasDown(t *testing.T) {
	t.Parallel()
	now := time.Unix(1640995200, 0)
	d := schema.Delivery{Event: schema.Event{Type: "server.backon", ResourceName: "web-1", Time: now}, Since: now.Add(-134 * time.Minute)}
	p := newPosting(d, nil)
	require.Contains(t, p.Message, "<b>Server web-1 is back</b><br/>Down for 2 h 14 min<br/>")
	require.Equal(t, attribute{"Down for", attributeValue{Label: "2 h 14 min"}}, p.Card.Attributes[0])
}
