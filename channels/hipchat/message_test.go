package hipchat

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	n := channels.Notice{Title: "Redeploy of Ledger failed", Facts: []channels.Fact{{Label: "Branch", Value: "main"}}}
	require.Equal(t, "<b>Redeploy of Ledger failed</b><br/>Branch: main", message(n))
	n.Link = `https://app.example.com/"><script>`
	require.Equal(t, `<b>Redeploy of Ledger failed</b><br/>Branch: main<br/>`+
		`<a href="https://app.example.com/&#34;&gt;&lt;script&gt;">Open</a>`, message(n))
}

func TestMessageLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("&", 1990) // 9,950 characters once escaped
	n := channels.Notice{Title: "T", Link: "https://app.example.com/", Facts: []channels.Fact{
		{Label: "Long", Value: long}, {Label: "Short", Value: "kept"},
	}}
	require.Equal(t, `<b>T</b><br/>Short: kept<br/><a href="https://app.example.com/">Open</a>`, message(n))
	n.Link = "https://app.example.com/?" + long
	require.Equal(t, `<b>T</b><br/>Long: `+strings.Repeat("&amp;", 1990)+`<br/>Short: kept`, message(n))
	require.LessOrEqual(t, len(message(n)), longestMessage)
}
