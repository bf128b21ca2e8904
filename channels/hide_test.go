package channels_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

func TestHide(t *testing.T) {
	t.Parallel()
	const secret = `Bearer s3cr3t/"&T`
	inJSON, err := json.Marshal(map[string]string{"got": secret})
	require.NoError(t, err)
	for said, want := range map[string]string{
		"got " + secret + " thrice: " + secret + secret: "got … thrice: ……",
		"got s3cr3t/\"&T":               "got …",
		string(inJSON):                  `{"got":"…"}`,
		"?q=" + url.QueryEscape(secret): "?q=…",
		"/" + url.PathEscape(secret):    "/…",
		"got Bearer s3cr3t/&#34;&amp;T": "got …",
		"in " + base64.RawStdEncoding.EncodeToString([]byte(secret)) + ".": "in ….",
		"cut off: Bearer s3cr": "cut off: …",
		"cut off: Be":          "cut off: Be",
		"nothing":              "nothing",
	} {
		e := channels.Exchange{Status: said, Excerpt: said, Signed: said, Header: map[string][]string{"X-Got": {said, "a"}}}
		e.Hide(secret, "", "short")
		require.Equal(t, channels.Exchange{Status: want, Excerpt: want, Signed: want, Header: map[string][]string{"X-Got": {want, "a"}}}, e)
	}
}

func FuzzHide(f *testing.F) {
	f.Add("before ", "s3cr3t-value", " after")
	f.Add("s3cr3t", "s3cr3ts3cr3t", "s3cr3t")
	f.Add("", "aaaaaa", "aaaaa")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if len(secret) < 6 || strings.Contains(secret, "…") {
			return
		}
		e := channels.Exchange{Excerpt: before + secret + after}
		e.Hide(secret)
		require.NotContains(t, e.Excerpt, secret)
	})
}
