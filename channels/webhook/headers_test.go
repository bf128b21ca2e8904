package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"
)

func TestHeadersChecked(t *testing.T) {
	t.Parallel()
	many := Headers{}
	for n := range 21 {
		many[fmt.Sprint("X-", n)] = "x"
	}
	require.EqualError(t, many.check(), "there are more than 20 headers")
	delete(many, "X-0")
	require.NoError(t, many.check())
	require.NoError(t, Headers{"X-A": strings.Repeat("x", 4093)}.check())
	require.EqualError(t, Headers{"X-A": strings.Repeat("x", 4094)}.check(), "the headers are longer than 4 KiB")
	require.EqualError(t, Headers{"X-A": "1", "x-a": "2"}.check(), "a header is given twice")
	for _, reserved := range []string{"host", "Content-Length", "content-type", "Content-Encoding", "Webhook-Id", "webhook-signature",
		"Tocsin-Anything", "User-Agent", "transfer-encoding", "Connection", "TE", "Upgrade", "trailer", "keep-alive", "Expect",
		"Proxy-Authorization", "accept-encoding", "HTTP2-Settings", "idempotency-key", "x-idempotency-key"} {
		require.ErrorContains(t, Headers{reserved: "x"}.check(), "cannot be set", reserved)
	}
	for _, malformed := range []string{"", " ", "X A", "X:", ":path", "X\r\nY", "Ünicode", "X-A\x00"} {
		require.ErrorContains(t, Headers{malformed: "x"}.check(), "name must be", "%q", malformed)
	}
	for _, value := range []string{"a\r\nX: y", "a\nb", "\x00", "\x7f", "ü", "a\tb"} {
		err := Headers{"X-A": value}.check()
		require.EqualError(t, err, "the header X-A must have a value of printable ASCII characters", "%q", value)
	}
}

func TestHeadersOfAForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Headers{
		"": {},
		"Authorization: Bearer a:b\r\nX-Team:Ops\r\n\r\n": {"Authorization": "Bearer a:b", "X-Team": "Ops"},
	} {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		var got Headers
		require.NoError(t, json.Unmarshal(encoded, &got))
		require.Equal(t, want, got)
	}
	for _, text := range []string{`"X-A: 1\nX-A: 2"`, `"no colon"`, `7`, `{"X-A":["1"]}`} {
		require.Error(t, json.Unmarshal([]byte(text), &Headers{}), text)
	}
}

// FuzzHeaders: what passes goes over the wire as one field.
func FuzzHeaders(f *testing.F) {
	f.Add("X-A", "1")
	f.Add("content-type", "text/plain")
	f.Add("X-A\r\nHost", "x\r\ny")
	f.Add("Webhook-Id ", "\x7f")
	f.Fuzz(func(t *testing.T, name, value string) {
		h := Headers{name: value}
		if err := h.check(); err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, httpguts.ValidHeaderFieldName(name))
		require.True(t, httpguts.ValidHeaderFieldValue(value))
		all := h.all()
		require.Len(t, all, 1)
		for _, ours := range []string{"Content-Type", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Host"} {
			require.Empty(t, all.Get(ours))
		}
	})
}
